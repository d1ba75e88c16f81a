"""The wall clock is set by an hour while the service runs: moments change their names, no more."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import av
import httpx
import pytest

from tests.serve.running import TOKEN, Running
from tests.serve.set_clock import SetClock
from tests.serve.sinks.receiver import Receiver
from tests.serve.waiting import until
from tests.video.cameras import RtspCamera, need_gstreamer
from tests.video.films import clip_film

LIMIT = 120.0
HOUR = 3600
SANE = 20.0
"""Seconds that news may be old on a busy machine; far below an hour."""


@pytest.mark.timeout(600)
def test_a_clock_that_is_set_loses_no_camera_and_doubles_no_event(
    checkpoint: Path, tmp_path: Path
) -> None:
    need_gstreamer()
    clock, receiver = SetClock(tmp_path), Receiver()
    camera = RtspCamera(clip_film(tmp_path, "intel-car-park.mp4", 400.0))
    config = {
        "model": str(checkpoint),
        "engine": {"settings": {"window": 2, "stride": 1, "frame_size": [128, 96]}},
        "alerts": {
            "threshold": 0, "sentence": False, "cooldown": "2h", "before": 1, "after": 1,
            "max_clip": "1m",
        },
        "questions": {"any": {"ask": "Is there anything?"}},
        "cameras": {"door": {"url": camera.url}},
        "sinks": {"web": {"type": "webhook", "url": receiver.url, "changes": ["new", "end"]}},
    }  # fmt: skip
    try:
        with Running(tmp_path, config, clock.environment) as service:
            until(lambda: service.windows("door") >= 3, LIMIT)
            browser = httpx.Client(base_url=service.client.base_url, timeout=30)
            assert browser.post("/api/login", json={"token": TOKEN}).status_code < 300
            for hours, count in ((1, 2), (0, 3), (-1, 4)):
                clock.set(hours * HOUR)
                seen = service.windows("door")
                until(lambda seen=seen: service.windows("door") >= seen + 4, LIMIT)
                check_ages(service, clock)
                until(lambda count=count: len(service.events()) == count, LIMIT)
                newest = max(service.events(), key=lambda event: event["end"] is None)
                assert newest["end"] is None
                assert abs(clock.now() - newest["start"]) < SANE
                assert browser.get("/api/cameras").status_code == 200
                # What the clock ended has its clip soon, and that ends where the event does.
                until(lambda: all(e["clip"] for e in service.events() if e["end"]), LIMIT)
            events = service.events()
            assert all(event["interrupted"] for event in events if event["end"] is not None)
            assert all(event["end"] >= event["start"] for event in events if event["end"])
            assert sum(event["end"] is None for event in events) == 1
            for event in events:
                if event["end"]:
                    check_clip(service, event)
            service.client.post("/api/cameras/door/pause").raise_for_status()
            until(lambda: len(receiver.requests) >= 8, 60)
            assert service.stop() == 0, service.text
            assert "Traceback" not in service.text
            assert "lost" not in service.text
            browser.close()
    finally:
        receiver.stop()
        camera.kill()
    messages = [json.loads(request.body) for request in receiver.requests]
    told = Counter((message["event"]["id"], message["change"]) for message in messages)
    assert told == {(event["id"], change): 1 for event in events for change in ("new", "end")}


def check_ages(service: Running, clock: SetClock) -> None:
    """What is said of times is as long ago as it says."""
    status = service.get("/api/cameras/door")["status"]
    assert status["state"] == "watching" and status["reconnects"] == 0
    now = clock.now()
    assert abs(now - status["last_frame"]) < SANE
    assert abs(now - status["last_window"]) < SANE
    assert abs(now - status["scores"]["any"]["at"]) < SANE
    assert 0 <= status["lag"] < SANE
    assert 0 < now - status["since"] < LIMIT + SANE
    assert 0 < now - service.get("/api/status")["started"] < 4 * LIMIT
    assert service.client.get("/healthz").status_code == 200


def check_clip(service: Running, event: dict) -> None:
    clip = service.client.get(f"/api/events/{event['id']}/clip.mp4").content
    with av.open(io.BytesIO(clip)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    # It begins at a key frame, 60 frames apart, and two strides and a second before the event.
    assert times[-1] - times[0] < event["end"] - event["start"] + 12
