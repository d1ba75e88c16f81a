"""The beat of a stream's I-frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

SHOWN_LETTERS = 12


@dataclass(frozen=True, slots=True)
class Gop:
    """The beat of a stream's I-frames.

    Attributes:
        pattern: in words, such as ``I every 10, IBBBPBBBPB``. The letters are the frame types of
            the most frequent GOP in display order.
        shortest: frames from one I-frame to the next, at least; None where there is one only.
        median: the same, in the middle.
        longest: the same, at most.
    """

    pattern: str
    shortest: int | None
    median: float | None
    longest: int | None


def find_gop(types: str) -> Gop:
    """Finds the beat of the I-frames in a string of frame types in display order."""
    starts = [index for index, letter in enumerate(types) if letter == "I"]
    if len(starts) < 2:
        beat = f"{len(starts) or 'no'} I in {len(types)}"
        return Gop(f"{beat}, {_shortened(types)}", None, None, None)
    gops = [types[start:end] for start, end in pairwise(starts)]
    lengths = sorted(map(len, gops))
    low, high = lengths[0], lengths[-1]
    beat = f"I every {low}" if low == high else f"I every {low} to {high}"
    usual = Counter(gops).most_common(1)[0][0]
    return Gop(f"{beat}, {_shortened(usual)}", low, float(median(lengths)), high)


def _shortened(types: str) -> str:
    return types if len(types) <= SHOWN_LETTERS else types[:SHOWN_LETTERS] + "..."
