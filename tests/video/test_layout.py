import itertools
from fractions import Fraction

import numpy as np
import pytest

from costream.video.display import Display
from costream.video.layout import Layout
from costream.video.sample import BLOCK, grid

DISPLAYS = [
    Display(rotation, mirrored, aspect)
    for rotation, mirrored, aspect in itertools.product(
        (0, 90, 180, 270), (False, True), (Fraction(1), Fraction(2), Fraction(1, 3))
    )
]


def stretched(display, pixels):
    """Every sample as the pixels that it is shown by, for whole ratios."""
    wide, tall = (round(each) for each in display.scale)
    return display.arranged(np.kron(pixels, np.ones((tall, wide), pixels.dtype)))


@pytest.mark.parametrize("display", DISPLAYS)
@pytest.mark.parametrize("size", [(48, 64), (41, 50), (7, 3)])
def test_a_block_has_the_largest_of_what_it_overlaps_and_no_other(display, size):
    height, width = size
    layout = Layout(width, height, display)
    for row, col in np.ndindex(layout.coded):
        field = np.zeros(layout.coded, np.float32)
        field[row, col] = 1
        changed = np.kron(field, np.ones((BLOCK, BLOCK)))[:height, :width]
        shown = stretched(display, changed)
        found = layout.largest(field)
        assert found.shape == grid(*shown.shape)
        for y, x in np.ndindex(found.shape):
            tile = shown[y * 16 : y * 16 + 16, x * 16 : x * 16 + 16]
            assert found[y, x] == tile.any()


@pytest.mark.parametrize("display", DISPLAYS)
def test_a_mean_is_that_of_the_pixels(display):
    field = np.random.default_rng(3).random((4, 5)).astype(np.float32)
    samples = np.kron(field, np.ones((BLOCK, BLOCK)))[:55, :70]
    shown = stretched(display, samples)
    found = Layout(70, 55, display).mean(field)
    for y, x in np.ndindex(found.shape):
        tile = shown[y * 16 : y * 16 + 16, x * 16 : x * 16 + 16]
        assert found[y, x] == pytest.approx(tile.mean(), abs=1e-5)


@pytest.mark.parametrize("aspect", [Fraction(12, 11), Fraction(40, 33), Fraction(8, 9)])
def test_odd_ratios_fit_the_displayed_picture(aspect):
    display = Display(270, True, aspect)
    layout = Layout(720, 480, display)
    width, height = display.size(720, 480)
    field = np.random.default_rng(5).random(layout.coded).astype(np.float32)
    assert layout.largest(field).shape == layout.mean(field).shape == grid(height, width)
    assert layout.largest(field).max() == field.max()
    # Blocks of the last row and column may be narrower: no mean of means is that of the whole.
    assert layout.mean(np.ones_like(field)) == pytest.approx(1, abs=1e-5)


def test_unknown_values_give_way_to_known_ones():
    field = np.array([[np.nan, 4.0]], np.float32)
    found = Layout(20, 10, Display(180)).largest(field, np.fmax)
    assert found[0].tolist()[0] == 4.0


def test_as_coded_nothing_is_copied():
    field = np.zeros((2, 2), np.float32)
    assert Layout(32, 32).largest(field) is field
