"""The threshold is set while a stream runs, by who sees what came of it."""

from __future__ import annotations

import numpy as np
import pytest

from costream.engine.engine import Engine
from costream.models import ModelAdapter
from costream.pruning import LastKept, PrunerSettings
from costream.pruning.doubt import over_threshold
from costream.pruning.threshold import Outcome
from costream.settings import EngineSettings
from tests.fakes import FakeStream, noise_pictures, samples_of

from .streams import GRID, sample

FLAT = np.full(GRID.group_shape, 100)
SETTINGS = PrunerSettings(anchor_every=80)


def stepped(*steps: int) -> np.ndarray:
    values = FLAT.copy()
    values.flat[: len(steps)] += np.array(steps, int)
    return values


def test_a_factor_counts_from_the_next_patch_on() -> None:
    pruner = LastKept(GRID, SETTINGS)
    pruner.decide([sample(0, FLAT)])
    pruner.threshold.factor = 2.0
    assert pruner.decide([sample(1, stepped(10))]).kept == 0
    assert pruner.outcome is not None and pruner.outcome.threshold == pytest.approx(14)
    pruner.threshold.factor = 1.0
    assert pruner.decide([sample(2, stepped(10))]).kept == 1


def test_a_factor_that_is_set_while_a_patch_is_judged_waits_for_the_next() -> None:
    seen = []

    def judge(one: object, gaps: np.ndarray, threshold: float) -> np.ndarray:
        seen.append(threshold)
        pruner.threshold.factor = 3.0
        return over_threshold(one, gaps, threshold)

    pruner = LastKept(GRID, SETTINGS, judge=judge)
    pruner.decide([sample(0, FLAT)])
    pruner.decide([sample(1, FLAT), sample(2, FLAT)])
    pruner.decide([sample(3, FLAT)])
    assert seen[0] == seen[1] == pytest.approx(7)
    assert seen[2] > 2 * seen[0]


def test_what_came_of_a_patch_is_told() -> None:
    pruner = LastKept(GRID, SETTINGS)
    assert pruner.outcome is None
    first = pruner.decide([sample(0, FLAT)])
    assert pruner.outcome is not None
    assert pruner.outcome.mask is first and pruner.outcome.kept == 1
    assert not pruner.outcome.gaps.any()
    mask = pruner.decide([sample(1, stepped(6, 8, 20)), sample(2, stepped(2, 8, 40))])
    told = pruner.outcome
    assert told.mask is mask and told.kept == 2 / 16 and told.threshold == pytest.approx(7)
    assert told.gaps.flat[:4] == pytest.approx([6, 8, 40, 0], abs=0.5)
    assert [told.near(steps) for steps in (0.4, 1.4, 6.5, 40)] == [0, 2 / 16, 2 / 16, 1]


class Greedy:
    """Halves what is kept until one group in eight is."""

    def __init__(self) -> None:
        self.told: list[Outcome] = []

    def next_factor(self, outcome: Outcome) -> float:
        self.told.append(outcome)
        return 1.0 if outcome.kept <= 1 / 8 else 5.0


def test_a_controller_sets_the_threshold_by_what_came_of_it() -> None:
    controller = Greedy()
    pruner = LastKept(GRID, SETTINGS, controller=controller)
    kept = [pruner.decide([sample(0, FLAT)]).kept]
    for tick in range(1, 5):
        kept.append(pruner.decide([sample(tick, stepped(*[15 * (tick % 2)] * 4))]).kept)
    # Whole, then 15 steps are under 35, then over 7 but for the same picture, and so on.
    assert kept == [16, 0, 0, 4, 0]
    assert [outcome.mask.kept for outcome in controller.told] == kept


def test_of_a_stream_that_is_watched_it_is_set_by_its_watch(model: ModelAdapter) -> None:
    engine = Engine(model, EngineSettings(fps=2, window=6, stride=2, frame_size=(128, 96)))
    stream = FakeStream(samples_of(noise_pictures(24)))
    watch, kept = engine.open(stream, ["Is it?"]), []
    assert isinstance(watch.pruner, LastKept)
    for window, _ in engine.windows(stream):
        kept.append(watch.step(window).tokens.kept)
        watch.pruner.threshold.factor = 1000.0
    assert kept[-1] < kept[0] / 2
    told = watch.pruner.outcome
    assert told is not None and told.threshold > 1000 and told.kept == 0
