"""How many cameras the machine carries, by what those cost that are watched now."""

from __future__ import annotations

from collections.abc import Iterable
from time import time

from costream.serve.status import CameraStatus

_MODEL = ("vision", "prefill", "generate")
_READING = ("decode", "prune")

FRESH = 10.0
"""Seconds within which a camera's last frame came, of one that is there."""

PATIENCE = 60.0
"""Seconds without an answer, beside many strides, after which the engine counts as stuck."""


def cameras_fit(statuses: Iterable[CameraStatus], stride: float, cores: int) -> float | None:
    """Returns how many cameras like those that are watched now this machine carries.

    The engine's thread answers one batch at a time, and processes read beside it: whichever is full
    first decides.

    Args:
        statuses: of all cameras.
        stride: seconds by which windows move on.
        cores: how many the processes that read may use.

    Returns:
        The number; None where none is being watched.
    """
    spent = [s.stage_seconds for s in statuses if s.state == "watching" and s.stage_seconds]
    if not spent:
        return None
    engine = sum(seconds.get(stage, 0.0) for seconds in spent for stage in _MODEL)
    reading = sum(seconds.get(stage, 0.0) for seconds in spent for stage in _READING) / cores
    return len(spent) * stride / max(engine, reading, 1e-6)


def is_stuck(statuses: Iterable[CameraStatus], stride: float) -> bool:
    """Whether cameras send and none was answered for long: the engine makes no way any more."""
    now, limit = time(), max(PATIENCE, 20 * stride)
    sending = [
        s
        for s in statuses
        if s.state == "watching" and s.last_frame is not None and now - s.last_frame < FRESH
    ]
    return bool(sending) and all(now - (s.last_window or s.since) > limit for s in sending)
