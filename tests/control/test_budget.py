"""A stream is held under a budget: simulated costs of each rung."""

from __future__ import annotations

import itertools

import pytest

from costream.control import USUAL, BudgetController
from costream.control.budget import LADDER

SETTLING = 5
COSTS = [0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.4, 0.5, 0.8, 1.0]


def simulate(
    controller: BudgetController, windows: int, scale: float = 1.0, start: int = 0
) -> list[float]:
    """Returns what each window costs."""
    costs = []
    for index in range(start, start + windows):
        cost = min(1.0, scale * COSTS[LADDER.index(controller.point)])
        costs.append(cost)
        controller.window(index, cost, 1.0)
    return costs


@pytest.mark.parametrize(
    ("budget", "rung"), [(0.02, 0), (0.06, 1), (0.1, 2), (0.25, 4), (0.6, 7), (1.0, 8)]
)
def test_a_stream_climbs_as_far_as_the_budget_reaches(budget: float, rung: int) -> None:
    controller = BudgetController(budget, SETTLING)
    costs = simulate(controller, 3000)
    late = costs[1500:]
    assert sum(late) / len(late) <= max(budget, COSTS[0]) + 1e-9
    assert max(set(late), key=late.count) == COSTS[rung]


def test_a_stream_that_becomes_busy_goes_down_and_comes_back() -> None:
    controller = BudgetController(0.25, SETTLING)
    simulate(controller, 500)
    calm = LADDER.index(controller.point)
    simulate(controller, 500, scale=3.0, start=500)
    busy = LADDER.index(controller.point)
    assert busy < calm
    costs = simulate(controller, 3000, start=1000)
    assert max(costs[1500:]) <= 0.25 or sum(costs[1500:]) / 1500 <= 0.25
    assert LADDER.index(controller.point) >= calm - 1


def test_a_rung_that_was_too_dear_is_left_alone_for_long() -> None:
    controller = BudgetController(0.18, SETTLING)
    costs = simulate(controller, 2000)
    dear = sum(cost > 0.18 for cost in costs)
    assert dear / len(costs) < 0.1


def test_it_begins_as_usual_and_the_ladder_grows_in_care() -> None:
    assert BudgetController(0.5, SETTLING).point == USUAL
    for below, above in itertools.pairwise(LADDER):
        assert above.pruning >= below.pruning
        assert above.recomputing >= below.recomputing
        assert above != below
