"""The service as a process: it starts, is changed, killed, and stops."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serve.running import Running
from tests.serve.waiting import until
from tests.video.cameras import RtspCamera, need_gstreamer
from tests.video.films import clip_film

LIMIT = 120.0


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[RtspCamera]:
    need_gstreamer()
    camera = RtspCamera(clip_film(tmp_path, "intel-car-park.mp4"))
    yield camera
    camera.thaw()
    camera.kill()


def config(checkpoint: Path, url: str, **more: Any) -> dict[str, Any]:
    """Returns a configuration in which every window is a yes."""
    return {
        "model": str(checkpoint),
        "engine": {"settings": {"window": 2, "stride": 1, "frame_size": [128, 96]}},
        "alerts": {"threshold": 0, "sentence": False, "cooldown": 1, "before": 1, "after": 1},
        "questions": {"any": {"ask": "Is there anything?"}},
        "cameras": {"door": {"url": url, "timeout": "2s"}},
        **more,
    }  # fmt: skip


def children(process: int) -> list[int]:
    path = Path(f"/proc/{process}/task")
    found = []
    for task in path.glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


@pytest.mark.timeout(600)
def test_an_event_outlives_the_service_that_was_killed(
    camera: RtspCamera, checkpoint: Path, tmp_path: Path
) -> None:
    with Running(tmp_path, config(checkpoint, camera.url)) as service:
        until(lambda: service.windows("door") >= 3, LIMIT)
        (before,) = service.events()
        assert before["end"] is None
        readers = children(service.process.pid)
        service.kill()
        # What read the camera ends with it.
        until(lambda: not any(alive(reader) for reader in readers), 30)
        service.start()
        (during,) = service.events()
        assert during["id"] == before["id"]
        until(lambda: service.windows("door") >= 3, LIMIT)
        assert service.client.post("/api/cameras/door/pause").status_code == 200
        until(lambda: all(event["end"] for event in service.events()), LIMIT)
        events = service.events()
        assert before["id"] in [event["id"] for event in events]
        assert len(events) <= 2  # resumed, or ended and another one begun
        assert len({event["id"] for event in events}) == len(events)
        assert service.stop() == 0, service.text
        assert "Traceback" not in service.text


@pytest.mark.timeout(600)
def test_cameras_come_and_go_while_the_service_runs(
    camera: RtspCamera, checkpoint: Path, tmp_path: Path
) -> None:
    first = config(checkpoint, camera.url)
    with Running(tmp_path, first) as service:
        until(lambda: service.windows("door") >= 1, LIMIT)
        # The camera dies and returns.
        camera.kill()
        until(lambda: service.state("door") == "lost", LIMIT)
        camera.start()
        until(lambda: service.state("door") == "watching", LIMIT)
        seen = service.windows("door")
        until(lambda: service.windows("door") > seen, LIMIT)
        # The file changes: one more camera, another question.
        questions = {"any": {"ask": "Is there anything?"}, "ball": {"ask": "Is there a ball?"}}
        cameras = {**first["cameras"], "gate": {"url": camera.url + "?gate"}}
        service.write({**first, "questions": questions, "cameras": cameras})
        os.kill(service.process.pid, signal.SIGHUP)
        until(lambda: len(service.get("/api/cameras")["cameras"]) == 2, LIMIT)
        status = "/api/cameras/door"
        until(lambda: "ball" in service.get(status)["status"]["scores"], LIMIT)
        # A file that can't be used changes nothing.
        service.write({**first, "cameras": {"door": {"url": camera.url, "transport": "tpc"}}})
        answer = service.client.post("/api/reload")
        assert answer.status_code == 422 and "tpc" in answer.text
        assert len(service.get("/api/cameras")["cameras"]) == 2
        # What the API changes survives a restart.
        added = {"id": "yard", "url": "push"}
        assert service.client.post("/api/cameras", json=added).status_code == 201
        assert service.client.delete("/api/cameras/gate").status_code == 204
        service.write({**first, "questions": questions, "cameras": cameras})
        assert service.stop() == 0, service.text
        service.start()
        names = [one["id"] for one in service.get("/api/cameras")["cameras"]]
        assert names == ["door", "yard"]
        assert service.stop() == 0, service.text
        assert "Traceback" not in service.text


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
