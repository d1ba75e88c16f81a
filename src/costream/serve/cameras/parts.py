"""What all cameras of a fleet share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from costream.engine.audit_ring import audit_seconds
from costream.engine.result import Result
from costream.engine.session import Session
from costream.serve.config.watched import WatchedCamera
from costream.serve.hub import Hub
from costream.serve.status import CameraStatus, WindowNews
from costream.settings import EngineSettings
from costream.video.reach import Reach

OnResult = Callable[[WatchedCamera, Result, WindowNews], None]
"""Told of every window that was answered, in order for each camera, by a thread of that camera."""

KEPT_BYTES = 64 << 20
"""Bytes of a camera's bitstream that are kept at most."""

SLACK = 15.0
"""Seconds of bitstream that are kept beyond what windows and clips reach back: a window's answers
come late, and a clip is begun after that."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What all cameras of a fleet share.

    Attributes:
        settings: the engine's.
        session: returns the session that cameras are added to.
        hub: told of previews and windows.
        on_result: told of windows with their results.
        tell: takes a status that is news.
        reach: says what a camera's URL may be.
        clock: tells seconds since 1970.
        folder: a folder that nobody else can look into, for sockets.
        kept_bytes: bytes of a camera's bitstream that are kept at most.
    """

    settings: EngineSettings
    session: Callable[[], Session]
    hub: Hub
    on_result: OnResult
    tell: Callable[[CameraStatus], None]
    reach: Callable[[WatchedCamera], Reach]
    clock: Callable[[], float]
    folder: Path
    kept_bytes: int

    def kept_seconds(self, camera: WatchedCamera) -> float:
        """Returns how much of a camera's bitstream is kept: for stills, and for clips to begin."""
        rules = [question.rule for question in camera.questions]
        reach = max((rule.before + rule.hold for rule in rules), default=0.0)
        stills = self.settings.window + 2 * self.settings.stride + reach + SLACK
        return max(stills, audit_seconds(self.settings) if self.settings.audit else 0.0)
