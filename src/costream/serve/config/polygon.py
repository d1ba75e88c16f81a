"""Whether a polygon encloses anything, and once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Corner = tuple[float, float]

SMALLEST = 1e-6
"""Share of the picture below which a polygon has no area: a pixel of 1000x1000."""

_EMPTY = "it encloses no area: give three corners or more that are not on one line"


Corners = npt.NDArray[np.float64]
"""[..., 2]: x and y."""


def polygon_flaw(points: Sequence[Corner]) -> str | None:
    """Returns in a clause what is wrong with a polygon, or None."""
    return _flaw(tuple((x, y) for x, y in points))


# Every change by the API checks all polygons that there are.
@lru_cache(maxsize=2048)
def _flaw(points: tuple[Corner, ...]) -> str | None:
    if points[0] == points[-1]:
        return "its last point is its first again: leave it out, the polygon is closed by itself"
    for number, (start, end) in enumerate(pairwise(points), 1):
        if start == end:
            return f"points {number} and {number + 1} are the same: leave one out"
    corners = np.array(points, np.float64)
    if not _turns(corners[0], corners[1], corners).any():
        return _EMPTY
    if crossing := _crossing(corners):
        one, other = crossing
        return f"its sides {one} and {other} cross: give its corners in order around it"
    return _EMPTY if abs(_area(points)) < SMALLEST else None


def _area(points: Sequence[Corner]) -> float:
    pairs = zip(points, [*points[1:], points[0]], strict=True)
    return sum(x * v - u * y for (x, y), (u, v) in pairs) / 2


def _crossing(corners: Corners) -> tuple[int, int] | None:
    """Returns the numbers, from 1, of two sides that share a point and are no neighbours."""
    one, other = np.triu_indices(len(corners), 2)
    first_and_last = (one == 0) & (other == len(corners) - 1)
    ends = np.roll(corners, -1, axis=0)
    a, b, c, d = corners[one], ends[one], corners[other], ends[other]
    pairs = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    turns = [_turns(*pair) for pair in pairs]
    shared = (turns[0] * turns[1] < 0) & (turns[2] * turns[3] < 0)
    for turn, pair in zip(turns, pairs, strict=True):
        shared |= (turn == 0) & _between(*pair)
    found = np.flatnonzero(shared & ~first_and_last)
    return (int(one[found[0]]) + 1, int(other[found[0]]) + 1) if len(found) else None


def _turns(a: Corners, b: Corners, c: Corners) -> npt.NDArray[np.float64]:
    """Which way the paths a, b, c turn: 1, -1, or 0 where they are straight."""
    (ax, ay), (bx, by), (cx, cy) = a.T, b.T, c.T
    turns: npt.NDArray[np.float64] = np.sign((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
    return turns


def _between(a: Corners, b: Corners, point: Corners) -> npt.NDArray[np.bool_]:
    """Whether points of the lines through a and b lie between them."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    inside = (low <= point) & (point <= high)
    both: npt.NDArray[np.bool_] = inside[..., 0] & inside[..., 1]
    return both
