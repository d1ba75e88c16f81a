import numpy as np
import pytest

from costream.pruning import PRUNERS, PatchGrid, PrunerSettings

from .streams import GRID, blocks, decide_all, sample

BOTH = ("codecflow-v3", "codecflow-v4")
both = pytest.mark.parametrize("rule", BOTH)


def new(rule: str, grid: PatchGrid = GRID):
    return PRUNERS[rule](grid, PrunerSettings(anchor_every=80))


def kept(rule: str, **evidence) -> set[tuple[int, int]]:
    pruner = new(rule)
    pruner.decide([sample(0)])
    return places(pruner.decide([sample(1, **evidence)]).groups)


def places(groups: np.ndarray) -> set[tuple[int, int]]:
    return {(int(row), int(col)) for row, col in zip(*np.nonzero(groups), strict=True)}


@both
def test_a_group_is_kept_when_one_of_its_blocks_moves(rule):
    assert kept(rule, peak=blocks((1, 5))) == {(1, 2)}


@pytest.mark.parametrize(
    ("rule", "vector", "moved"),
    [
        ("codecflow-v3", 0.25, False),
        ("codecflow-v3", 0.26, True),
        ("codecflow-v4", 0.5, False),
        ("codecflow-v4", 0.51, True),
    ],
)
def test_the_threshold_is_the_published_one(rule, vector, moved):
    assert bool(kept(rule, peak=blocks((0, 0), value=vector))) is moved


@pytest.mark.parametrize(("rule", "counts"), [("codecflow-v3", False), ("codecflow-v4", True)])
def test_intra_blocks_count_in_v4_alone(rule, counts):
    assert bool(kept(rule, intra=blocks((2, 2)) > 0)) is counts


def test_v4_marks_every_patch_that_a_block_touches_and_v3_only_centres():
    grid = PatchGrid(3, 3, 1)  # a patch is 21.3 x 42.7 pixels, so none lines up with a block
    masks = {}
    for rule in BOTH:
        pruner = new(rule, grid)
        pruner.decide([sample(0)])
        masks[rule] = places(pruner.decide([sample(1, peak=blocks((1, 2)))]).groups)
    # The block covers rows 16..31 and columns 32..47: two patches each way, no patch's centre.
    assert masks == {"codecflow-v3": set(), "codecflow-v4": {(0, 0), (0, 1), (1, 0), (1, 1)}}


@both
def test_changes_add_up_until_the_next_anchor_forgets_them(rule):
    moves = {1: (0, 0), 5: (3, 7), 20: (2, 2)}
    stream = [
        sample(tick, peak=blocks(*([moves[tick]] if tick in moves else []))) for tick in range(22)
    ]
    masks = decide_all(new(rule), stream)
    assert places(masks[4].groups) == {(0, 0)}
    assert places(masks[15].groups) == {(0, 0), (3, 3)}
    assert masks[16].anchor == "age"
    assert masks[17].kept == 0
    assert places(masks[21].groups) == {(2, 1)}


@both
def test_a_window_shorter_than_the_gop_brings_anchors_closer(rule):
    pruner = PRUNERS[rule](PatchGrid(4, 8, 1), PrunerSettings(anchor_every=6))
    anchors = [
        n
        for n, mask in enumerate(decide_all(pruner, [sample(tick) for tick in range(14)]))
        if mask.anchor
    ]
    assert anchors == [0, 6, 12]


@both
def test_a_codec_without_vectors_is_never_taken_for_stillness(rule):
    masks = decide_all(new(rule), [sample(tick, motion="none") for tick in range(4)])
    assert [mask.anchor for mask in masks] == ["first", "blind", "blind", "blind"]


@both
def test_an_interval_of_keyframes_alone_is_blind(rule):
    stream = [sample(0), sample(1, frames=2, keyframes=2), sample(2, frames=2, keyframes=1)]
    assert [mask.anchor for mask in decide_all(new(rule), stream)] == ["first", "blind", None]
