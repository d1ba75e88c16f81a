"""Polygons in a picture, and which cells of a grid they touch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from costream.errors import SettingsError

Point: TypeAlias = tuple[float, float]
Polygon: TypeAlias = tuple[Point, ...]
"""Corners (x, y) in shares of the displayed picture, 0..1 from its left and its top edge. What is
inside is told by the even-odd rule: lines that cross each other leave a hole."""

Bools: TypeAlias = npt.NDArray[np.bool_]

Corner: TypeAlias = npt.NDArray[np.float64]
"""Column and row of a corner, in cells."""

Counts: TypeAlias = np.int16
"""Edges at a cell, of a polygon of some ten thousand corners at most."""


def checked_polygon(points: Iterable[Sequence[float]], what: str) -> Polygon:
    """Returns the corners of a polygon.

    Args:
        points: the corners, in order.
        what: what the polygon is, for the message.

    Raises:
        SettingsError: there are fewer than three corners, or one is not in the picture.
    """
    polygon = tuple((float(x), float(y)) for x, y in points)
    if len(polygon) < 3:
        raise SettingsError(f"{what} has {len(polygon)} corners: a polygon has at least 3")
    for x, y in polygon:
        if not all(isfinite(share) and 0 <= share <= 1 for share in (x, y)):
            raise SettingsError(
                f"{what} has a corner at {x:g},{y:g}: give shares of the picture, from 0 to 1"
            )
    if not _spread(polygon):
        raise SettingsError(f"{what} has no area: its corners lie on one line")
    return polygon


_HAIR = 1e-9
"""Share of the picture's width that is as good as nothing."""


def touched(
    polygon: Polygon, cells: tuple[int, int], extent: tuple[float, float] | None = None
) -> Bools:
    """Returns which cells of a grid a polygon touches, however little of them it holds.

    A cell is touched where an edge of the polygon runs through it, its border not counted, or its
    centre is inside: without an edge in it, a cell is inside or outside as a whole.

    Args:
        polygon: the polygon.
        cells: rows and columns of the grid.
        extent: rows and columns that the whole picture takes; the grid's own by default.

    Returns:
        bool [rows, cols].
    """
    high, wide = extent or cells
    corners = np.array(polygon, np.float64) * (wide, high)
    marks = np.zeros((cells[0], cells[1] + 1), Counts)
    turns = np.zeros_like(marks)
    for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        upper, lower = (one, other) if one[1] <= other[1] else (other, one)
        _mark_edge(marks, upper, lower, _HAIR * wide)
        _mark_crossings(turns, upper, lower)
    on_edge = marks.cumsum(axis=1, dtype=Counts) > 0
    inside = turns.cumsum(axis=1, dtype=Counts) % 2 == 1
    found: Bools = (on_edge | inside)[:, :-1]
    return found


def _mark_edge(marks: npt.NDArray[Counts], upper: Corner, lower: Corner, hair: float) -> None:
    """Counts, row by row, where the cells begin and end that an edge runs through.

    By less than a hair it runs through none: coarse and fine cells have to agree on their borders.
    """
    rows, cols = marks.shape[0], marks.shape[1] - 1
    row = np.arange(max(0, int(np.floor(upper[1]))), min(rows, int(np.ceil(lower[1]))))
    ends = [_x_at(upper, lower, np.clip(y, upper[1], lower[1])) for y in (row, row + 1)]
    if upper[1] == lower[1]:
        ends = [np.full(len(row), end[0]) for end in (upper, lower)]
    first = np.maximum(np.floor(np.minimum(*ends) + hair).astype(np.int64), 0)
    behind = np.minimum(np.ceil(np.maximum(*ends) - hair).astype(np.int64), cols)
    some = first < behind
    np.add.at(marks, (row[some], first[some]), 1)
    np.add.at(marks, (row[some], behind[some]), -1)


def _mark_crossings(turns: npt.NDArray[Counts], upper: Corner, lower: Corner) -> None:
    """Counts, row by row, the first cell whose centre lies behind the edge."""
    row = np.arange(len(turns))
    row = row[(upper[1] <= row + 0.5) & (row + 0.5 < lower[1])]
    behind = np.floor(_x_at(upper, lower, row + 0.5) - 0.5).astype(np.int64) + 1
    np.add.at(turns, (row, np.clip(behind, 0, turns.shape[1] - 1)), 1)


def _x_at(upper: Corner, lower: Corner, y: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Where an edge is at some heights between its ends."""
    length = lower[1] - upper[1]
    share = (y - upper[1]) / length if length else np.zeros(len(y))
    # Exact for upright edges, and never beyond an end: either may lie on the border of a cell.
    x: npt.NDArray[np.float64] = upper[0] + (lower[0] - upper[0]) * share
    return np.clip(x, min(upper[0], lower[0]), max(upper[0], lower[0]))


def _spread(polygon: Polygon) -> float:
    """Returns twice the area of the triangles about the first corner, whichever way they turn."""
    (x0, y0), *others = polygon
    return sum(
        abs((x - x0) * (b - y0) - (a - x0) * (y - y0)) for (x, y), (a, b) in pairwise(others)
    )
