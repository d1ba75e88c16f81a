"""Cameras and questions for tests of events."""

from __future__ import annotations

from typing import Any

from costream.serve.config.model import CameraConfig
from costream.serve.config.watched import AlertRule, WatchedCamera, WatchedQuestion
from costream.serve.events.event import ScoredWindow


def a_question(id: str = "person", **changes: Any) -> WatchedQuestion:
    values: dict[str, Any] = {
        "id": id,
        "name": f"Question {id}",
        "ask": f"Is there a {id}?",
        "zone": None,
        "polygon": None,
        "schedule": (),
        "rule": AlertRule(cooldown=20),
    }
    return WatchedQuestion(**{**values, **changes})


def a_camera(id: str = "door", *questions: WatchedQuestion, **changes: Any) -> WatchedCamera:
    config = CameraConfig(url="rtsp://camera/1")
    return WatchedCamera(id, f"Camera {id}", config, questions or (a_question(),), **changes)


def a_window(end: float, score: float | None, received: float | None = None) -> ScoredWindow:
    return ScoredWindow(end - 12, end, score, 0.5, 2.0, end if received is None else received)
