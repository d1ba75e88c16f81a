"""What holds for every registered rule."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costream.pruning
from costream.errors import SettingsError
from costream.pruning import DEFAULT_PRUNER, PRUNERS, PatchGrid, PrunerSettings
from costream.pruning.published import PUBLISHED_GOP
from costream.video.sample import Sample

from .streams import GRID, SIZE, blocks, change, decide_all, sample

RULES = list(PRUNERS)
PUBLISHED = ("codecflow-v3", "codecflow-v4")
KEPT = (
    "last-kept", "last-kept-budget", "last-kept-codec", "last-kept-relit", "last-kept-residual",
)  # fmt: skip
UNIONS = ("codecflow-v3", "codecflow-v4", "last-kept", "last-kept-codec", "last-kept-residual")

every_rule = pytest.mark.parametrize("rule", RULES)
few = settings(max_examples=25)
LENGTHS = np.array([0.0, 0.2, 0.3, 0.6])
# A field is drawn as bytes at once: number by number, drawing takes far longer than the rules do.
greys = st.binary(min_size=16, max_size=16).map(
    lambda drawn: np.frombuffer(drawn, np.uint8).reshape(4, 4)
)
vectors = st.binary(min_size=32, max_size=32).map(
    lambda drawn: LENGTHS[np.frombuffer(drawn, np.uint8) % len(LENGTHS)].reshape(4, 8)
)


def new(rule: str, every: int = 6):
    return PRUNERS[rule](GRID, PrunerSettings(anchor_every=every))


def every(rule: str, setting: int) -> int:
    return PUBLISHED_GOP if rule in PUBLISHED else setting


@st.composite
def streams(draw, damage: bool = True) -> list[Sample]:
    ticks = np.cumsum(draw(st.lists(st.integers(1, 9), min_size=4, max_size=24)))
    return [
        sample(
            int(tick) - 1,
            draw(greys),
            peak=draw(vectors),
            damaged=damage and draw(st.integers(0, 9)) == 0,
        )
        for tick in ticks
    ]


def test_the_rules_are_those_that_the_table_names():
    published = {"none", "random", "low-fps", "evs", "codecflow-v3", "codecflow-v4"}
    assert set(RULES) == {*published, *KEPT}
    assert DEFAULT_PRUNER in PRUNERS
    assert all(PRUNERS[rule].name == rule for rule in RULES)
    assert all(hasattr(costream.pruning, name) for name in costream.pruning.__all__)


@every_rule
@few
@given(stream=streams(), frames=st.sampled_from([1, 2, 3]))
def test_masks_are_well_formed_and_anchors_whole(rule, stream, frames):
    for position, mask in enumerate(decide_all(new(rule), stream, frames)):
        assert mask.groups.shape == GRID.group_shape
        assert mask.groups.dtype == np.bool_
        assert position or mask.anchor == "first"
        assert mask.anchor is None or mask.kept == GRID.groups


@every_rule
@few
@given(stream=streams(), frames=st.sampled_from([1, 2, 3]), setting=st.integers(1, 12))
def test_anchors_are_never_further_apart_than_allowed(rule, stream, frames, setting):
    masks = decide_all(new(rule, setting), stream, frames)
    last = 0
    for start, mask in zip(range(0, len(stream), frames), masks, strict=True):
        if mask.anchor:
            last = stream[start].tick
        assert stream[start : start + frames][-1].tick - last < max(
            every(rule, setting), frames * 9
        )
        if mask.anchor is None:
            assert stream[start : start + frames][-1].tick - last < every(rule, setting)


@every_rule
@few
@given(stream=streams(), frames=st.sampled_from([1, 2]))
def test_the_same_stream_gives_the_same_masks(rule, stream, frames):
    first = decide_all(new(rule), stream, frames)
    again = decide_all(new(rule), stream, frames)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.groups, other.groups)
        assert one.anchor == other.anchor


@every_rule
@few
@given(stream=streams(), frames=st.sampled_from([1, 2]))
def test_damage_keeps_the_frame_whole(rule, stream, frames):
    masks = decide_all(new(rule), stream, frames)
    for start, mask in zip(range(0, len(stream), frames), masks, strict=True):
        if any(one.change.damaged for one in stream[start : start + frames]):
            assert mask.anchor is not None


@pytest.mark.parametrize("rule", UNIONS)
@few
@given(stream=streams(damage=False))
def test_a_temporal_patch_keeps_the_union_over_its_frames(rule, stream):
    pruner = new(rule, every=1000)
    pruner.decide(stream[:1])
    alone = [copy.deepcopy(pruner).decide([one]) for one in stream[1:3]]
    pair = pruner.decide(stream[1:3])
    if pair.anchor is None and not any(mask.anchor for mask in alone):
        np.testing.assert_array_equal(pair.groups, alone[0].groups | alone[1].groups)


@every_rule
def test_a_gap_past_the_anchor_s_turn_makes_the_next_frame_an_anchor(rule):
    pruner = new(rule, every=16)
    reasons = [pruner.decide([sample(tick)]).anchor for tick in (0, 1, 40, 41, 55, 56)]
    assert reasons == ["first", None, "age", None, None, "age"]


@every_rule
def test_a_returned_mask_belongs_to_the_caller(rule):
    stream = [sample(0), *(sample(tick, 100, peak=blocks((0, 0))) for tick in range(1, 4))]
    untouched = [mask.groups.copy() for mask in decide_all(new(rule), stream)]
    pruner = new(rule)
    for one, expected in zip(stream, untouched, strict=True):
        mask = pruner.decide([one])
        np.testing.assert_array_equal(mask.groups, expected)
        mask.groups[:] = ~mask.groups


@every_rule
def test_a_temporal_patch_without_frames_is_refused(rule):
    with pytest.raises(ValueError, match="at least one frame"):
        new(rule).decide([])


@pytest.mark.parametrize(
    "values",
    [{"anchor_every": 0}, {"anchor_every": 4, "keep": 1.5}, {"anchor_every": 4, "seed": -1}],
)
def test_settings_out_of_range_are_refused(values):
    with pytest.raises(SettingsError):
        PrunerSettings(**values)


@pytest.mark.parametrize("sides", [(7, 8, 2), (8, 0, 2), (8, 8, 0)])
def test_a_grid_that_does_not_divide_is_refused(sides):
    with pytest.raises(SettingsError, match="multiples"):
        PatchGrid(*sides)


def test_the_samples_made_by_hand_fit_their_contract():
    one = sample(3, np.arange(16).reshape(4, 4))
    assert (one.picture.height, one.picture.width) == SIZE
    assert change().peak.shape == (4, 8)
