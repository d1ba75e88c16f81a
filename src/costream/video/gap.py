"""What is missing from a live source, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GapKind = Literal["lost", "back", "skipped"]
"""Which news of a gap: the source is gone, it has come back, or frames were left out to keep up."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of a live source that nobody will see.

    A lost source is told of twice: when it is gone, and when it is back.

    Attributes:
        kind: which of the three.
        start: stream time of the last frame before it, in seconds; of skipped frames, of the first
            one that was skipped.
        end: stream time of the first frame after it; None as long as the source is away.
        cause: what happened, in a clause.
        frames: sampled frames that were skipped; 0 of a source that was away.
        attempts: how often a connection was tried before the source was back.
        stream: name of the source, where it is told to somebody who watches several.
    """

    kind: GapKind
    start: float
    end: float | None
    cause: str
    frames: int = 0
    attempts: int = 0
    stream: str | None = None
