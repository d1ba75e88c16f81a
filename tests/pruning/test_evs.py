import numpy as np
import pytest

from costream.pruning import PRUNERS, PrunerSettings

from .streams import GRID, decide_all, sample

STREAM = [sample(tick) for tick in range(12)]


def new(rule: str, **settings):
    return PRUNERS[rule](GRID, PrunerSettings(anchor_every=50, **settings))


def features(*changed: int, seed: int = 0) -> np.ndarray:
    """Random directions, with those at some groups turned round."""
    values = np.random.default_rng(seed).normal(size=(GRID.groups, 8)).astype(np.float32)
    values[list(changed)] *= -1
    return values


def test_evs_keeps_what_differs_from_its_predecessor():
    pruner = new("evs", keep=2 / GRID.groups)
    masks = decide_all(pruner, STREAM[:3])
    assert all(mask.kept == GRID.groups for mask in masks), "the encoder sees everything"
    first, second, third = pruner.thin(masks, [features(), features(3), features(3, 5)])
    assert first.kept == GRID.groups
    assert set(np.flatnonzero(second.groups)) | set(np.flatnonzero(third.groups)) >= {3, 5}
    assert second.kept + third.kept == 4


def test_evs_compares_directions_not_lengths():
    pruner = new("evs", keep=1 / GRID.groups)
    masks = decide_all(pruner, STREAM[:2])
    brighter = features(7)
    brighter[2] *= 5
    _, second = pruner.thin(masks, [features(), brighter])
    assert np.flatnonzero(second.groups).tolist() == [7]


def test_evs_spends_its_budget_where_the_change_is():
    """The ranking is over the patches that arrive together, not frame by frame."""
    pruner = new("evs", keep=2 / GRID.groups)
    masks = decide_all(pruner, STREAM[:3])
    _, calm, busy = pruner.thin(masks, [features(), features(), features(1, 2, 3, 4)])
    assert (calm.kept, busy.kept) == (0, 4)


@pytest.mark.parametrize(("keep", "kept"), [(0.5, 6), (0.25, 3), (0.1, 2)])
def test_low_fps_keeps_its_share_of_whole_patches(keep, kept):
    masks = decide_all(new("low-fps", keep=keep), STREAM)
    assert {mask.kept for mask in masks} == {0, GRID.groups}
    assert sum(mask.kept == GRID.groups for mask in masks) == kept
