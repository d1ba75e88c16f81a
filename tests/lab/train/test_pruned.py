"""What a window to learn from is left with, beside what the rule itself keeps."""

import numpy as np
import pytest

from costream.lab.train.pruned import look_at_blocks, prune
from costream.pruning import PatchGrid

GRID = PatchGrid(8, 8, 2)


def frames(*moments):
    """A grey picture of 64x64, a temporal patch of one frame each, with squares at places."""
    pictures = np.full((len(moments), 1, 64, 64, 3), 100, np.uint8)
    for picture, squares in zip(pictures, moments, strict=True):
        for (row, col), value in squares.items():
            picture[:, row * 16 : row * 16 + 4, col * 16 : col * 16 + 4] = value
    return pictures


def kept_places(kept):
    return [{(n // 4, n % 4) for n in np.flatnonzero(groups)} for groups in kept[1:]]


def test_the_first_patch_is_whole_and_of_others_what_changed():
    seen = frames({}, {(1, 2): 130}, {(1, 2): 130}, {(3, 0): 130})
    kept = prune(look_at_blocks(seen, GRID), 7.0)
    assert kept[0].all()
    still = kept_places(kept)[1]
    assert kept_places(kept) == [{(1, 2)}, still, {(1, 2), (3, 0)}]
    assert len(still) == 1


def test_slow_changes_add_up():
    seen = frames(*({(0, 0): 200 * (n % 2), (2, 2): 100 + 3 * n} for n in range(5)))
    kept = kept_places(prune(look_at_blocks(seen, GRID), 7.0))
    assert kept == [{(0, 0)}, {(0, 0)}, {(0, 0), (2, 2)}, {(0, 0)}]


def test_a_patch_of_two_frames_keeps_what_either_shows():
    seen = frames({}, {}, {(0, 0): 140}, {(0, 1): 140}).reshape(2, 2, 64, 64, 3)
    (kept,) = kept_places(prune(look_at_blocks(seen, GRID), 7.0))
    assert kept == {(0, 0), (0, 1)}


@pytest.mark.parametrize("threshold", [5.0, 9.0])
def test_noise_is_not_kept(threshold):
    draw = np.random.default_rng(1)
    seen = np.clip(draw.normal(100, 3, (6, 1, 64, 64, 3)), 0, 255).astype(np.uint8)
    kept = prune(look_at_blocks(seen, GRID), threshold)
    assert [groups.sum() for groups in kept] == [16, 1, 1, 1, 1, 1]
