from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.serve.config.polygon import polygon_flaw

SQUARE = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]

WRONG = [
    ([(0, 0), (1, 1), (1, 0), (0, 1)], "its sides 1 and 3 cross"),
    ([*SQUARE, SQUARE[0]], "its last point is its first again"),
    ([(0, 0), (0, 0), (1, 0), (1, 1)], "points 1 and 2 are the same"),
    ([(0, 0), (0.5, 0.5), (1, 1)], "it encloses no area"),
    ([(0, 0), (0.3, 0.3), (0.6, 0.6), (1, 1)], "it encloses no area"),
    ([(0, 0), (1e-4, 0), (0, 1e-4)], "it encloses no area"),
    ([(0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)], "its sides 1 and 3 cross"),  # touches a side
    ([(0, 0), (1, 0), (1, 1), (0, 0), (0, 1)], "cross"),  # a corner twice
]


@pytest.mark.parametrize(("points", "flaw"), WRONG, ids=range(len(WRONG)))
def test_polygons_that_are_none(points: list[tuple[float, float]], flaw: str) -> None:
    assert flaw in (polygon_flaw(points) or "")


def test_a_polygon_may_be_given_either_way_round_and_be_hollow() -> None:
    hollow = [(0, 0), (1, 0), (1, 1), (0.5, 0.2), (0, 1)]
    for points in (SQUARE, SQUARE[::-1], hollow):
        assert polygon_flaw(points) is None


@given(
    st.lists(st.integers(0, 359), min_size=3, max_size=20, unique=True),
    st.floats(0.2, 0.5),
    st.integers(0, 19),
)
def test_corners_in_order_around_a_point_never_cross(
    degrees: list[int], radius: float, start: int
) -> None:
    angles = [math.radians(degree) for degree in sorted(degrees)]
    points = [(0.5 + radius * math.cos(a), 0.5 + radius * math.sin(a)) for a in angles]
    turned = points[start % len(points) :] + points[: start % len(points)]
    flaw = polygon_flaw(turned)
    assert flaw is None or "area" in flaw


@given(st.lists(st.integers(0, 359), min_size=4, max_size=12, unique=True), st.data())
def test_two_corners_of_a_convex_polygon_in_each_other_s_place_cross(
    degrees: list[int], data: st.DataObject
) -> None:
    angles = [math.radians(degree) for degree in sorted(degrees)]
    points = [(0.5 + 0.4 * math.cos(a), 0.5 + 0.4 * math.sin(a)) for a in angles]
    one = data.draw(st.integers(0, len(points) - 1))
    other = (one + 1) % len(points)
    points[one], points[other] = points[other], points[one]
    assert "cross" in (polygon_flaw(points) or "")
