import numpy as np
import pytest

from costream.pruning import PRUNERS, PrunerSettings

from .streams import GRID, decide_all, sample

STREAM = [sample(tick) for tick in range(12)]


def new(rule: str, **settings):
    return PRUNERS[rule](GRID, PrunerSettings(anchor_every=5, **settings))


def test_none_keeps_everything_and_names_anchors_on_schedule():
    masks = decide_all(new("none"), STREAM)
    assert all(mask.kept == GRID.groups for mask in masks)
    assert [tick for tick, mask in enumerate(masks) if mask.anchor] == [0, 5, 10]


@pytest.mark.parametrize("keep", [0.0, 0.25, 1.0])
def test_random_keeps_its_share_of_every_pruned_frame(keep):
    masks = decide_all(new("random", keep=keep), STREAM)
    pruned = [mask.kept for mask in masks if mask.anchor is None]
    assert pruned == [keep * GRID.groups] * 9


def test_random_draws_anew_for_every_frame_and_seed():
    masks = decide_all(new("random", keep=0.5), STREAM)
    other = decide_all(new("random", keep=0.5, seed=1), STREAM)
    assert not np.array_equal(masks[1].groups, masks[2].groups)
    assert not np.array_equal(masks[1].groups, other[1].groups)


def test_random_does_not_depend_on_what_came_before():
    late = new("random", keep=0.5)
    late.decide(STREAM[1:2])
    np.testing.assert_array_equal(
        late.decide(STREAM[2:3]).groups, decide_all(new("random", keep=0.5), STREAM)[2].groups
    )
