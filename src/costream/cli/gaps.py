"""Gaps of a live source, for people and for programs."""

from __future__ import annotations

from time import monotonic
from typing import Any

from costream.cli.figures import count
from costream.engine.result import iso_time
from costream.printable import printable
from costream.video import Gap


def describe_gap(gap: Gap) -> str:
    """Returns a clause on a gap for people, on one line; only its cause may name the source."""
    cause = printable(gap.cause)
    if gap.kind == "lost":
        return f"lost at {gap.start:.1f} s: {cause}"
    away = (gap.end or gap.start) - gap.start
    if gap.kind == "back":
        return f"back after {away:.1f} s and {count(gap.attempts, 'attempt')}"
    return f"{count(gap.frames, 'frame')} of {away:.1f} s skipped: {cause}"


def gap_values(source: str, gap: Gap) -> dict[str, Any]:
    """Returns a gap as JSON-ready values.

    Args:
        source: name of the source.
        gap: news of it, as it comes: ``wall`` is now.
    """
    return {
        "stream": source,
        "gap": gap.kind,
        "start": round(gap.start, 6),
        "end": None if gap.end is None else round(gap.end, 6),
        "cause": gap.cause,
        "frames": gap.frames,
        "attempts": gap.attempts,
        "wall": iso_time(monotonic()),
    }
