import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from costream.pruning import LastKept, PrunerSettings

from .streams import GRID, decide_all, sample

FLAT = np.full(GRID.group_shape, 100)


def new(every: int = 80) -> LastKept:
    return LastKept(GRID, PrunerSettings(anchor_every=every))


def lit(share: float, value: int) -> np.ndarray:
    groups = FLAT.copy()
    groups.flat[: round(share * groups.size)] = value
    return groups


@pytest.mark.parametrize(("step", "kept"), [(7, 0), (-7, 0), (10, 1), (-10, 1)])
def test_a_group_is_kept_when_its_luma_moves_by_more_than_eight(step, kept):
    groups = FLAT.copy()
    groups[2, 1] += step
    masks = decide_all(new(), [sample(0, FLAT), sample(1, groups)])
    assert masks[1].kept == kept
    assert masks[1].groups[2, 1] == bool(kept)


def test_a_slow_drift_adds_up_until_it_counts():
    masks = decide_all(new(), [sample(tick, lit(1 / 16, 100 + 2 * tick)) for tick in range(13)])
    kept = [tick for tick, mask in enumerate(masks) if mask.kept]
    assert kept[:2] == [0, 4]
    assert set(np.diff(kept)) == {3, 4}


@given(st.lists(st.lists(st.integers(0, 255), min_size=16, max_size=16), min_size=2, max_size=12))
def test_nothing_dropped_ever_differs_from_what_was_last_kept(frames):
    seen = np.full((16, 16), -1000)  # sub-blocks, four by four to a group
    pruner = new()
    for tick, values in enumerate(frames):
        one = sample(tick, np.reshape(values, (4, 4)))
        mask = pruner.decide([one])
        # From then on what the light alone did, or the camera's shaking, is let through.
        assume(mask.anchor != "light" and mask.scene != "shake")
        kept = mask.groups.repeat(4, axis=0).repeat(4, axis=1)
        luma = one.picture.luma(16, 16).astype(int)
        assert (np.abs(luma - seen)[~kept] <= 8).all()
        seen = np.where(kept, luma, seen)


def test_a_small_thing_within_a_group_is_enough():
    one, other = sample(0, FLAT), sample(1, FLAT)
    pixels = other.picture.rgb().copy()
    pixels[4:8, 8:16] = 160  # one sub-block of the first group
    changed = type(other)(1, 0.5, type(other.picture).from_rgb(pixels), other.change)
    masks = decide_all(new(), [one, changed])
    assert masks[1].groups[0, 0]
    assert masks[1].kept == 1


def test_a_new_scene_is_a_cut():
    masks = decide_all(new(), [sample(0, 20), sample(1, 20), sample(2, 200), sample(3, 200)])
    assert [mask.anchor for mask in masks] == ["first", None, "cut", None]
    assert masks[3].kept == 0


def test_a_cut_restarts_the_age():
    stream = [sample(tick, 20 if tick < 3 else 200) for tick in range(9)]
    reasons = [mask.anchor for mask in decide_all(new(every=5), stream)]
    assert reasons == ["first", None, None, "cut", None, None, None, None, "age"]


def test_a_camera_that_never_rests_gets_one_cut_and_then_plain_pruning():
    values = [20 if tick % 2 else 200 for tick in range(10)]
    stream = [sample(tick, lit(0.75, value)) for tick, value in enumerate(values)]
    masks = decide_all(new(), stream)
    assert [mask.anchor for mask in masks] == ["first", "cut"] + [None] * 8
    assert [mask.kept for mask in masks[2:]] == [12] * 8


def test_after_some_calm_the_next_cut_is_declared_again():
    stream = [sample(tick, value) for tick, value in enumerate([20, 200, 200, 20, 200])]
    reasons = [mask.anchor for mask in decide_all(new(), stream)]
    assert reasons == ["first", "cut", None, "cut", None]


def test_it_sees_as_well_on_codecs_without_vectors():
    stream = [sample(tick, lit(tick / 16, 200), motion="none") for tick in range(4)]
    masks = decide_all(new(), stream)
    assert [mask.kept for mask in masks] == [16, 1, 1, 1]
    assert masks[1].anchor is None


def pairs(*values: float) -> list[int]:
    """Groups kept of each pair of frames, of which one group shows the values."""
    stream = [sample(tick, lit(1 / 16, value)) for tick, value in enumerate(values)]
    return [mask.kept for mask in decide_all(new(), stream, frames=2)]


def test_a_pair_leaves_its_last_frame_as_the_reference():
    assert pairs(9, 9, 90, 90, 90, 40) == [16, 1, 1]
    assert pairs(9, 9, 90, 90, 90, 90) == [16, 1, 0]


def test_what_moved_within_a_pair_is_kept_once_more_at_rest():
    """Its token tells of motion: held, it would go on telling of it."""
    assert pairs(9, 9, 90, 40, 40, 40, 40, 40) == [16, 1, 1, 0]
    assert pairs(9, 90, 90, 90, 90, 90) == [16, 1, 0], "after a whole frame too"
    assert pairs(9, 9, 90, 9, 9, 9, 9, 9) == [16, 1, 1, 0], "back where it was"


def test_single_frames_hold_no_motion():
    stream = [sample(tick, lit(1 / 16, v)) for tick, v in enumerate([9, 90, 40, 40, 40])]
    assert [mask.kept for mask in decide_all(new(), stream)] == [16, 1, 1, 0, 0]
