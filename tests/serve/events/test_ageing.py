"""The moment by which events grow old, by a clock that is set."""

from __future__ import annotations

import pytest

from costream.serve.events.ageing import DOUBT, SLACK, Ageing

YEAR = 365 * 86400.0


class Clocks:
    wall = 1e9
    steady = 50.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def ageing(clocks: Clocks) -> Ageing:
    return Ageing(lambda: clocks.wall, lambda: clocks.steady)


def test_time_goes_on(clocks: Clocks, ageing: Ageing) -> None:
    for step in (600, SLACK, 10):
        clocks.pass_by(step)
        clocks.wall += SLACK / 2  # summer time of who sets clocks by hand
        assert ageing.now() == clocks.wall


def test_a_clock_that_is_set_years_ahead_and_back_ages_nothing(
    clocks: Clocks, ageing: Ageing
) -> None:
    clocks.wall += YEAR
    clocks.pass_by(600)
    assert ageing.now() == 1e9 + 600
    clocks.wall -= YEAR
    clocks.pass_by(600)
    assert ageing.now() == clocks.wall == 1e9 + 1200


def test_a_clock_that_stays_ahead_is_believed_after_a_day(clocks: Clocks, ageing: Ageing) -> None:
    clocks.wall += YEAR
    assert ageing.now() == 1e9
    clocks.pass_by(DOUBT - 1)
    assert ageing.now() == 1e9 + DOUBT - 1
    clocks.pass_by(1)
    assert ageing.now() == clocks.wall


def test_a_clock_that_is_set_back_is_believed(clocks: Clocks, ageing: Ageing) -> None:
    clocks.wall -= YEAR
    assert ageing.now() == 1e9 - YEAR
