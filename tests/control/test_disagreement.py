"""A stream is held under a target: simulated streams whose answers differ as their point has it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from costream.audit import AuditChoice, Cause, Importance
from costream.control import PRUNING, USUAL, DisagreementController, Move, OperatingPoint

SETTLING = 8
TARGET = 0.05

Rates = Callable[[OperatingPoint], dict[Cause, float]]
"""By cause, the share of windows whose answer differs."""


@dataclass
class Course:
    """What became of a simulated stream."""

    points: list[OperatingPoint] = field(default_factory=list)
    differs: list[bool] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)


def simulate(rates: Rates, *, windows: int, share: float = 0.2, seed: int = 0) -> Course:
    """Runs a controller on a stream; a move shows in answers a window's length later."""
    rng, choice = np.random.default_rng(seed), AuditChoice(share, seed)
    controller, course = DisagreementController(TARGET, SETTLING), Course()
    for index in range(windows):
        point = controller.point if index < SETTLING else course.points[-SETTLING]
        course.points.append(controller.point)
        cause = _drawn(rng, rates(point))
        course.differs.append(cause is not None)
        probability = choice.probability(Importance(bool(rng.random() < 0.1), changed=False))
        if choice.draw(probability):
            flips: dict[Cause, float] = {} if cause is None else {cause: 1.0}
            move = controller.checked(index, choice.floor / probability, flips)
            if move is not None:
                course.moves.append(move)
    return course


def _drawn(rng: np.random.Generator, rates: dict[Cause, float]) -> Cause | None:
    at = rng.random()
    for cause, rate in rates.items():
        if at < rate:
            return cause
        at -= rate
    return None


def test_a_stream_on_which_nothing_is_lost_ends_at_the_floor() -> None:
    course = simulate(lambda point: {}, windows=3000)
    assert course.points[-1] == OperatingPoint(pruning=0)
    assert [move.after.pruning for move in course.moves] == [1, 0]
    assert "surely less than 5%" in course.moves[0].reason


@pytest.mark.parametrize("seed", range(10))
def test_a_stream_on_which_pruning_loses_too_much_is_soon_pruned_less(seed: int) -> None:
    by_step = [0.6, 0.5, 0.4, 0.2, 0.01, 0.0]
    course = simulate(lambda point: {"pruning": by_step[point.pruning]}, windows=1500, seed=seed)
    # 40% differ, and one window in five is checked.
    assert course.moves[0].window < 200
    assert course.moves[0].after == OperatingPoint(pruning=3)
    assert "most by pruning" in course.moves[0].reason
    assert np.mean(course.differs[500:]) <= TARGET


@pytest.mark.parametrize("seed", range(5))
def test_where_reuse_is_to_blame_more_is_recomputed_and_pruning_stays(seed: int) -> None:
    by_step = [0.4, 0.2, 0.02, 0.01, 0.0]
    course = simulate(lambda point: {"reuse": by_step[point.recomputing]}, windows=1500, seed=seed)
    assert {point.pruning for point in course.points[:500]} == {USUAL.pruning}
    assert np.mean(course.differs[500:]) <= TARGET


def test_where_decoding_is_to_blame_everything_is_decoded() -> None:
    course = simulate(lambda p: {"decoding": 0.0 if p.decode_all else 0.3}, windows=400)
    assert course.moves[0].after == OperatingPoint(decode_all=True)


def test_a_cause_that_is_not_known_moves_one_knob_after_the_other() -> None:
    course = simulate(lambda point: {"unknown": 0.5}, windows=2000)
    last = course.points[-1]
    assert (last.pruning, last.recompute_every, last.decode_all) == (len(PRUNING) - 1, 1, True)


def test_a_point_that_was_wrong_is_tried_again_ever_more_rarely() -> None:
    """Under the floor's threshold everything differs, above it nothing does."""
    course = simulate(
        lambda point: {"pruning": 0.5 if point.pruning == 0 else 0.0}, windows=20_000, share=0.5
    )
    tries = [move.window for move in course.moves if move.after.pruning == 0]
    assert len(tries) >= 3
    pauses = np.diff(tries)
    assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(pauses))
    assert np.mean(course.differs) <= TARGET


def test_a_change_of_the_stream_is_noticed_after_a_long_time_without() -> None:
    controller = DisagreementController(TARGET, SETTLING)
    for index in range(4000):
        controller.checked(index, 1.0, {})
    assert controller.point == OperatingPoint(pruning=0)
    for extra in range(20):
        if controller.checked(4000 + extra, 1.0, {"pruning": 1.0}):
            break
    assert extra < 5
    assert controller.point == OperatingPoint(pruning=1)


def test_windows_of_before_a_move_are_not_counted() -> None:
    controller = DisagreementController(TARGET, SETTLING)
    index = SETTLING
    while controller.checked(index, 1.0, {"pruning": 1.0}) is None:
        index += 1
    for late in range(index + 1, index + 1 + SETTLING):
        assert controller.checked(late, 1.0, {"pruning": 1.0}) is None
    assert controller.point == OperatingPoint(pruning=3)


def test_a_stream_that_is_recomputed_in_full_stays_so() -> None:
    controller = DisagreementController(TARGET, 0)
    for index in range(2000):
        controller.checked(index, 1.0, {"unknown": 1.0})
    assert controller.point.knobs == PRUNING[-1]
    assert controller.point.recompute_every == 1
