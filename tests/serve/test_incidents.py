"""Incidents of the synthetic world, from the camera's bitstream to whoever is told."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import av
import pytest

from costream.lab.synth import EVENTS, EncoderSettings, WorldCamera, encode
from tests.serve.running import Running
from tests.serve.sinks.receiver import Receiver
from tests.serve.waiting import until

FPS = 10.0
LONG, SHORT = 60.0, 12.0

COMMAND = (
    "import sys, pathlib; text = sys.stdin.read().strip(); "
    "pathlib.Path(sys.argv[1]).open('a').write(text + '\\n')"
)


def film(path: Path, camera: WorldCamera) -> WorldCamera:
    frames = (camera.frame(index) for index in range(camera.frames))
    encode(frames, path, fps=FPS, settings=EncoderSettings(gop=20))
    return camera


@pytest.mark.timeout(600)
def test_one_incident_is_one_event_and_two_are_two(tmp_path: Path) -> None:
    size = {"width": 448, "height": 256, "fps": FPS, "pretend": (), "shake": 0.0}
    one = film(tmp_path / "one.mp4", WorldCamera(3, event="fall", lasting=LONG, seconds=84, **size))
    two = film(
        tmp_path / "two.mp4",
        WorldCamera(3, event=("fall", "fall"), lasting=SHORT, seconds=100, **size),
    )
    told = tmp_path / "told.jsonl"
    receiver = Receiver()
    try:
        config = {
            "model": "costream/tiny",
            "questions": {"fall": {"ask": EVENTS["fall"].questions[0]}},
            "alerts": {"cooldown": "10s", "sentence": False, "before": "2s", "after": "2s"},
            "cameras": {name: {"url": str(tmp_path / f"{name}.mp4")} for name in ("one", "two")},
            "sinks": {
                "web": {"type": "webhook", "url": receiver.url},
                "run": {"type": "command", "run": [sys.executable, "-c", COMMAND, str(told)]},
            },
        }  # fmt: skip
        with Running(tmp_path, config) as service:
            until(lambda: is_over(service, one=1, two=2), 400)
            events = service.events()
            for event in events:
                still = service.client.get(f"/api/events/{event['id']}/still.jpg")
                assert still.status_code == 200 and still.content[:2] == b"\xff\xd8"
            (long,) = [event for event in events if event["camera"] == "one"]
            clip = service.client.get(f"/api/events/{long['id']}/clip.mp4").content
            until(lambda: len(receiver.requests) >= 3 and told.exists(), 60)
            until(lambda: len(told.read_text().splitlines()) >= 3, 60)
            assert service.stop() == 0, service.text
        messages = [json.loads(line) for line in told.read_text().splitlines()]
    finally:
        receiver.stop()
    truth = one.events[0]
    assert long["end"] - long["start"] == pytest.approx(truth.end - truth.start, abs=16)
    # The clip shows the incident whole.
    with av.open(io.BytesIO(clip)) as container:
        frames = [float(frame.time) for frame in container.decode(video=0)]
    assert frames[-1] - frames[0] >= truth.end - truth.start
    for told_of in (messages, [json.loads(request.body) for request in receiver.requests]):
        assert sorted(m["event"]["camera"] for m in told_of) == ["one", "two", "two"]
        assert {m["change"] for m in told_of} == {"new"}
        assert len({m["event"]["id"] for m in told_of}) == 3
    assert len(two.events) == 2


def is_over(service: Running, **counts: int) -> bool:
    """Whether each camera has so many events, and they are over with still and clip."""
    assert not service.ended, service.text
    events = service.events()
    return all(event["end"] and event["still"] and event["clip"] for event in events) and all(
        sum(event["camera"] == camera for event in events) == count
        for camera, count in counts.items()
    )
