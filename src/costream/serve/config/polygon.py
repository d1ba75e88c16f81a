"""Whether a polygon encloses anything, and once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Corner = tuple[float, float]

SMALLEST = 1e-6
"""Share of the picture below which a polygon has no area: a pixel of 1000x1000."""

_EMPTY = "it encloses no area: give three corners or more that are not on one line"


def polygon_flaw(points: Sequence[Corner]) -> str | None:
    """Returns in a clause what is wrong with a polygon, or None."""
    if points[0] == points[-1]:
        return "its last point is its first again: leave it out, the polygon is closed by itself"
    sides = [(points[n - 1], points[n]) for n in range(1, len(points))] + [(points[-1], points[0])]
    for number, (start, end) in enumerate(sides, 1):
        if start == end:
            return f"points {number} and {number + 1} are the same: leave one out"
    if not any(_turn(points[0], points[1], point) for point in points):
        return _EMPTY
    for (one, first), (other, second) in combinations(enumerate(sides, 1), 2):
        neighbours = other - one in (1, len(sides) - 1)
        if not neighbours and _cross(*first, *second):
            return f"its sides {one} and {other} cross: give its corners in order around it"
    return _EMPTY if abs(_area(points)) < SMALLEST else None


def _area(points: Sequence[Corner]) -> float:
    pairs = zip(points, [*points[1:], points[0]], strict=True)
    return sum(x * v - u * y for (x, y), (u, v) in pairs) / 2


def _cross(a: Corner, b: Corner, c: Corner, d: Corner) -> bool:
    """Whether two sides share a point."""
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(not turn and _between(*end) for turn, end in zip(turns, ends, strict=True))


def _turn(a: Corner, b: Corner, c: Corner) -> int:
    """Which way the path a, b, c turns: 1, -1, or 0 where it is straight."""
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (area > 0) - (area < 0)


def _between(a: Corner, b: Corner, point: Corner) -> bool:
    """Whether a point of the line through a and b lies between them."""
    (x, y), (left, right), (low, high) = point, sorted((a[0], b[0])), sorted((a[1], b[1]))
    return left <= x <= right and low <= y <= high
