"""What is asked before a camera at a moment, and whether it is read at all."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from costream.serve.config.clock import is_on
from costream.serve.config.watched import WatchedCamera, WatchedQuestion

Idle = Literal["paused", "resting"]
"""Why a camera is not read."""


def due_questions(
    camera: WatchedCamera, moment: datetime
) -> tuple[Idle | None, tuple[WatchedQuestion, ...]]:
    """Returns why a camera is not read at a moment, or None and what is asked.

    A camera that nothing is asked about rests.

    Args:
        camera: the camera.
        moment: by the clock of the service's time zone.
    """
    if camera.paused:
        return "paused", ()
    asked = tuple(q for q in camera.questions if is_on(q.schedule, moment))
    if not asked or not is_on(camera.schedule, moment):
        return "resting", ()
    return None, asked
