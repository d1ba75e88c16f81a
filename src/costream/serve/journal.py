"""The log of what happens: cameras that come and go, and events that begin."""

from __future__ import annotations

import logging

from costream.serve.config.watched import WatchedCamera, WatchedQuestion
from costream.serve.events.event import Event
from costream.serve.status import CameraState, CameraStatus

_SAID: dict[CameraState, str] = {
    "watching": "is watched",
    "lost": "is lost and asked for again",
    "failed": "failed and is tried again",
    "paused": "is paused",
    "resting": "rests",
}
"""States that are worth a line: what is being opened will soon be in another."""

_WRONG = ("lost", "failed")

logger = logging.getLogger("costream")


class Journal:
    """Logs a line where a camera's state is another than it was, and where an event begins."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[CameraState, str | None]] = {}

    def state(self, status: CameraStatus) -> None:
        """Takes a camera's state, again and again; one thread calls this."""
        now = status.state, status.error
        before, self._states[status.id] = self._states.get(status.id), now
        if now == before or status.state not in _SAID:
            return
        parts = [f"camera {status.id} {_SAID[status.state]}"]
        if status.error is not None:
            parts.append(status.error)
        elif status.state == "watching" and status.width is not None:
            parts.append(f"{status.width} x {status.height}")
        level = logging.WARNING if status.state in _WRONG else logging.INFO
        fields = {"camera": status.id, "state": status.state}
        logger.log(level, "%s", ": ".join(parts), extra={"fields": fields})

    def event(self, camera: WatchedCamera, question: WatchedQuestion, event: Event) -> None:
        """Takes an event that begins."""
        fields = {"camera": camera.id, "question": question.id, "event": event.id}
        logger.info(
            "camera %s: event %s begins: %s, score %.2f",
            camera.id,
            event.id,
            question.name,
            event.score,
            extra={"fields": {**fields, "score": event.score}},
        )
