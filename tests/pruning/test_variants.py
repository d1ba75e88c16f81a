import numpy as np
import pytest

from costream.pruning import (
    BudgetLastKept,
    CodecLastKept,
    PrunerSettings,
    RelitLastKept,
    ResidualLastKept,
)

from .streams import GRID, blocks, decide_all, sample

FLAT = np.full(GRID.group_shape, 100)


def stepped(step: int, groups: tuple[tuple[int, int], ...] = ((2, 1),)) -> np.ndarray:
    values = FLAT.copy()
    for place in groups:
        values[place] += step
    return values


@pytest.mark.parametrize(("step", "active", "kept"), [(6, 1, 0), (8, 0, 0), (8, 1, 1), (10, 0, 1)])
def test_the_codec_settles_the_doubtful_groups(step, active, kept):
    pruner = CodecLastKept(GRID, PrunerSettings(anchor_every=80))
    peak = blocks((2, 2)) if active else blocks()
    masks = decide_all(pruner, [sample(0, FLAT), sample(1, stepped(step), peak=peak)])
    assert masks[1].kept == kept


@pytest.mark.parametrize(
    ("step", "residual", "kept"),
    [(6, 40, 0), (7, 11, 0), (7, 12, 1), (8, 0, 0), (8, 40, 1), (9, 0, 1)],
)
def test_residuals_settle_the_doubtful_groups(step, residual, kept):
    """In the one block of two that has any."""
    pruner = ResidualLastKept(GRID, PrunerSettings(anchor_every=80))
    told = {"motion": "bitstream", "residual": blocks((2, 3), value=residual)}
    masks = decide_all(pruner, [sample(0, FLAT, **told), sample(1, stepped(step), **told)])
    assert masks[1].kept == kept


def test_residuals_elsewhere_and_vectors_are_no_witnesses():
    pruner = ResidualLastKept(GRID, PrunerSettings(anchor_every=80))
    told = {"motion": "bitstream", "residual": blocks((2, 1), value=90), "peak": blocks((2, 2))}
    masks = decide_all(pruner, [sample(0, FLAT, **told), sample(1, stepped(8), **told)])
    assert masks[1].kept == 0


@pytest.mark.parametrize("rule", [CodecLastKept, ResidualLastKept])
@pytest.mark.parametrize("evidence", [{"motion": "none"}, {"keyframes": 5}])
@pytest.mark.parametrize(("step", "kept"), [(7, 0), (8, 1)])
def test_without_evidence_it_is_the_default_rule(rule, evidence, step, kept):
    told = {"motion": "bitstream", "residual": blocks(), **evidence}
    pruner = rule(GRID, PrunerSettings(anchor_every=80))
    masks = decide_all(pruner, [sample(0, FLAT), sample(1, stepped(step), **told)])
    assert masks[1].kept == kept


def test_ffmpegs_evidence_tells_no_residuals():
    pruner = ResidualLastKept(GRID, PrunerSettings(anchor_every=80))
    masks = decide_all(pruner, [sample(0, FLAT), sample(1, stepped(8), motion="codec")])
    assert masks[1].kept == 1


def test_the_relit_rule_sees_what_changes_within_the_light():
    scene = np.arange(16).reshape(4, 4) * 8 + 60
    darker = scene - 20
    darker[1, 1] += 40
    pruner = RelitLastKept(GRID, PrunerSettings(anchor_every=80))
    masks = decide_all(pruner, [sample(0, scene), sample(1, darker), sample(2, scene)])
    assert masks[1].kept == 1
    assert masks[1].groups[1, 1]
    assert masks[2].kept == 1


@pytest.mark.parametrize("keep", [0.1, 0.25])
def test_a_busy_stream_is_held_to_its_budget(keep):
    draw = np.random.default_rng(5)
    stream = [sample(tick, draw.normal(120, 30, (4, 4)).clip(0, 255)) for tick in range(240)]
    pruner = BudgetLastKept(GRID, PrunerSettings(anchor_every=1000, keep=keep))
    masks = decide_all(pruner, stream)
    assert np.mean([mask.groups for mask in masks[120:]]) == pytest.approx(keep, abs=0.04)


def test_a_calm_stream_keeps_what_changed_and_no_more():
    stream = [sample(tick, stepped(20 * (tick % 2))) for tick in range(60)]
    pruner = BudgetLastKept(GRID, PrunerSettings(anchor_every=1000, keep=0.5))
    assert {mask.kept for mask in decide_all(pruner, stream)[1:]} == {1}
