import itertools
from fractions import Fraction

import numpy as np
import pytest

from costream.video.display import Display, is_believable, orientation

EIGHT = [
    (a, b, c, d)
    for a, b, c, d in itertools.product((-1, 0, 1), repeat=4)
    if abs(a * d - b * c) == 1 and abs(a) + abs(b) == 1 and abs(c) + abs(d) == 1
]
"""All matrices that turn by quarters and mirror: x' = a x + c y, y' = b x + d y, with y down."""


def matrix(a, b, c, d):
    words = [65536 * value for value in (a, b, 0, c, d, 0, 0, 0)] + [1 << 30]
    return np.array(words).round().astype(np.int32).tobytes()


@pytest.mark.parametrize("terms", EIGHT)
def test_pixels_and_vectors_go_where_the_matrix_says(terms):
    a, b, c, d = terms
    rotation, mirrored = orientation(matrix(*terms))
    display = Display(rotation, mirrored)
    coded = np.arange(3 * 5).reshape(3, 5)
    x, y = np.meshgrid(np.arange(5), np.arange(3))
    across, down = a * x + c * y, b * x + d * y
    shown = np.full((np.ptp(down) + 1, np.ptp(across) + 1), -1)
    shown[down - down.min(), across - across.min()] = coded
    assert (display.arranged(coded) == shown).all()
    assert display.size(5, 3) == shown.shape[::-1]
    moved = display.pointed(np.array([[2.0, 7.0]]))
    assert moved.tolist() == [[a * 2 + c * 7, b * 2 + d * 7]]


def test_there_are_eight():
    assert len(EIGHT) == 8 == len({orientation(matrix(*terms)) for terms in EIGHT})


def test_a_matrix_may_scale():
    assert orientation(matrix(0, 2, -0.5, 0)) == (90, False)


@pytest.mark.parametrize("angle", [3, 45, 87, 200])
@pytest.mark.parametrize("mirror", [1, -1])
def test_other_angles_are_none(angle, mirror):
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    assert orientation(matrix(mirror * cos, mirror * sin, -sin, cos)) is None


def test_what_shows_nothing_is_none():
    assert orientation(matrix(0, 0, 0, 0)) is None
    assert orientation(matrix(1, 1, 1, 1)) is None


@pytest.mark.parametrize(
    ("aspect", "coded", "shown"),
    [
        ((2, 1), (480, 544), (960, 544)),
        ((12, 11), (720, 576), (785, 576)),
        ((16, 15), (720, 576), (768, 576)),
        ((40, 33), (720, 480), (873, 480)),
        ((8, 9), (720, 480), (720, 540)),
        ((1, 2), (640, 240), (640, 480)),
        ((1, 1), (321, 243), (321, 243)),
    ],
)
def test_one_side_is_stretched_and_none_shrunk(aspect, coded, shown):
    assert Display(aspect=Fraction(*aspect)).size(*coded) == shown
    assert Display(90, aspect=Fraction(*aspect)).size(*coded) == shown[::-1]


def test_what_is_believed():
    assert is_believable(Fraction(32, 11)) and is_believable(Fraction(1, 4))
    assert not is_believable(Fraction(0)) and not is_believable(Fraction(1, 65535))
    assert not is_believable(Fraction(65535))


def test_an_aspect_is_positive():
    with pytest.raises(ValueError, match="positive"):
        Display(aspect=Fraction(0))
