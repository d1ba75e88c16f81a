"""Which cells a polygon touches: against exact fractions, and against points sampled densely."""

from __future__ import annotations

import pickle
from fractions import Fraction
from math import nan

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from costream.errors import SettingsError
from costream.video import Polygon, checked_polygon, touched

LATTICE = 16
ROUNDING = Fraction(1, 10**12)
"""Shares of a picture by which an edge that runs through a cell's very corner may miss it."""

points = st.tuples(*[st.integers(0, LATTICE)] * 2).map(lambda p: (p[0] / LATTICE, p[1] / LATTICE))
polygons = st.lists(points, min_size=3, max_size=9).map(tuple)
grids = st.tuples(st.integers(1, 9), st.integers(1, 9))


def inside(polygon: Polygon, x: Fraction, y: Fraction) -> bool:
    """The even-odd rule, in fractions."""
    found = False
    for (x0, y0), (x1, y1) in edges(polygon):
        if (y0 <= y) != (y1 <= y) and x0 + (y - y0) / (y1 - y0) * (x1 - x0) < x:
            found = not found
    return found


def edges(polygon: Polygon) -> list[tuple[tuple[Fraction, Fraction], tuple[Fraction, Fraction]]]:
    corners = [(Fraction(x), Fraction(y)) for x, y in polygon]
    return list(zip(corners, [*corners[1:], corners[0]], strict=True))


def crosses(edge: tuple, low: tuple[Fraction, Fraction], high: tuple[Fraction, Fraction]) -> bool:
    """Whether an edge has a point strictly within a box: clipped on four sides, in fractions."""
    begin, end = Fraction(0), Fraction(1)
    for axis in (0, 1):
        start, way = edge[0][axis], edge[1][axis] - edge[0][axis]
        if way == 0:
            if not low[axis] < start < high[axis]:
                return False
            continue
        first, last = sorted(((low[axis] - start) / way, (high[axis] - start) / way))
        begin, end = max(begin, first), min(end, last)
    return begin < end


def grown(low: tuple, high: tuple, by: Fraction) -> tuple[tuple, tuple]:
    return tuple(x - by for x in low), tuple(x + by for x in high)


@given(polygon=polygons, grid=grids)
@example(polygon=((0, 0), (1, 1), (1, 0), (0, 1)), grid=(4, 4))
@example(polygon=((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)), grid=(4, 4))
@example(polygon=((0.5, 0), (0.5, 1), (0.5, 0.5)), grid=(3, 3))
def test_a_cell_is_touched_where_an_edge_runs_through_it_or_it_is_inside(
    polygon: Polygon, grid: tuple[int, int]
) -> None:
    rows, cols = grid
    found = touched(polygon, grid)
    for row in range(rows):
        for col in range(cols):
            low = Fraction(col, cols), Fraction(row, rows)
            high = Fraction(col + 1, cols), Fraction(row + 1, rows)
            middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
            surely, maybe = (
                inside(polygon, *middle) or any(crosses(edge, *box) for edge in edges(polygon))
                for box in (grown(low, high, -ROUNDING), grown(low, high, ROUNDING))
            )
            assert surely <= found[row, col] <= maybe, (row, col)


@given(polygon=polygons, grid=grids, seed=st.integers(0, 99))
def test_no_point_of_a_polygon_lies_in_a_cell_that_is_not_touched(
    polygon: Polygon, grid: tuple[int, int], seed: int
) -> None:
    found = touched(polygon, grid)
    for x, y in np.random.default_rng(seed).random((60, 2)):
        if inside(polygon, Fraction(x), Fraction(y)):
            assert found[int(y * grid[0]), int(x * grid[1])]


@given(polygon=polygons, grid=grids)
def test_a_picture_that_ends_within_the_last_cells_is_told_by_its_extent(
    polygon: Polygon, grid: tuple[int, int]
) -> None:
    extent = grid[0] - 0.5, grid[1] - 0.25
    grown = tuple((x * extent[1] / 16, y * extent[0] / 16) for x, y in polygon)
    expected = touched(grown, (16, 16))[: grid[0], : grid[1]]
    assert np.array_equal(touched(polygon, grid, extent), expected)


def test_a_hole_is_outside() -> None:
    outer = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    inner = [(0.25, 0.25), (0.25, 0.75), (0.75, 0.75), (0.75, 0.25), (0.25, 0.25)]
    found = touched((*outer, *inner), (8, 8))
    assert not found[2:6, 2:6][1:, 1:].any()
    assert found[:2].all() and found[6:].all()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(0, 0), (1, 1)], "mask 1 has 2 corners"),
        ([(0, 0), (1, 0), (1, 1.5)], "a corner at 1,1.5"),
        ([(0, 0), (1, 0), (1, -0.1)], "from 0 to 1"),
        ([(0, 0), (1, 0), (nan, 1)], "from 0 to 1"),
        ([(0, 0), (0.5, 0.5), (1, 1)], "no area"),
        ([(0, 0), (0, 0), (1, 1)], "no area"),
    ],
)
def test_what_is_no_polygon_is_refused(points: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        checked_polygon(points, "mask 1")


def test_lists_become_tuples() -> None:
    found = checked_polygon([[0, 0], [1, 0], [1, 1]], "mask")
    assert found == ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    assert pickle.loads(pickle.dumps(found)) == found
