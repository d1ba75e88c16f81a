"""How far a picture moved, on pictures moved by a known way."""

import numpy as np
import pytest

from costream.pruning.displacement import Displacement, Profiles, steadied
from tests.video.encode import texture

SIDE = 256
CANVAS = texture(SIDE + 64, SIDE + 64, seed=4)


def seen(x: int = 0, y: int = 0) -> np.ndarray:
    """The scene when its content has moved by (x, y) samples."""
    return CANVAS[32 - y : 32 - y + SIDE, 32 - x : 32 - x + SIDE]


def found(before: np.ndarray, now: np.ndarray, reach: int = 16) -> Displacement:
    return Profiles.of(before).displacement(Profiles.of(now), reach)


@pytest.mark.parametrize("way", [(0, 0), (1, 0), (-7, 3), (12, -12)])
def test_the_way_of_the_picture_is_found(way):
    there = found(seen(), seen(*way))
    assert (there.x, there.y) == pytest.approx(way, abs=0.25)
    assert there.certainty > 0.5 or way == (0, 0)


def test_half_a_sample_is_found():
    between = ((seen().astype(int) + seen(1)) // 2).astype(np.uint8)
    assert found(seen(), between).x == pytest.approx(0.5, abs=0.25)


def test_who_walks_through_and_what_the_light_does_don_t_matter():
    now = seen(5, -2).copy()
    now[:, 40:90] = 20
    there = found(seen(), (now * 0.85).astype(np.uint8))
    assert (there.x, there.y) == pytest.approx((5, -2), abs=0.5)


def test_another_picture_is_no_displacement():
    assert found(seen(), texture(SIDE, SIDE, seed=9)).certainty < 0.3


def test_a_way_beyond_reach_is_not_found():
    assert found(seen(), seen(24, 0)).certainty < 0.3
    assert found(seen(), seen(24, 0), reach=32).x == pytest.approx(24, abs=0.25)


def test_moved_back_it_is_the_picture_it_was():
    shape = (32, 32)
    was = steadied(seen(), Displacement(0, 0, 1), shape)
    back = steadied(seen(6, -3), Displacement(6, -3, 1), shape)
    np.testing.assert_allclose(was, seen().reshape(32, 8, 32, 8).mean((1, 3)), rtol=1e-4)
    np.testing.assert_allclose(back[2:-2, 2:-2], was[2:-2, 2:-2], rtol=1e-4)


def test_what_lies_beyond_the_edge_is_as_the_edge():
    flat = np.full((64, 64), 90, np.uint8)
    np.testing.assert_allclose(steadied(flat, Displacement(9.5, -9.5, 1), (8, 8)), 90, rtol=1e-4)
