import math

import pytest

from costream.errors import SettingsError
from costream.video.backoff import FIRST, JITTER, LONGEST, Backoff


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def delays(backoff, clock, most=50):
    found = []
    while len(found) < most and (delay := backoff.next_delay()) is not None:
        found.append(delay)
        clock.now += delay
    return found


def test_delays_double_up_to_the_longest_and_patience_ends(clock):
    backoff = Backoff(100, clock=clock, draw=lambda: 0.0)
    assert delays(backoff, clock) == [1, 2, 4, 8, 16, 30, 30, 9]
    assert backoff.away == 100
    assert backoff.attempts == 8


def test_jitter_shortens_a_delay_by_half_at_most(clock):
    backoff = Backoff(math.inf, clock=clock, draw=lambda: 0.999999)
    found = delays(backoff, clock, 8)
    assert found[0] == pytest.approx(FIRST * (1 - JITTER), rel=1e-3)
    assert found[-1] == pytest.approx(LONGEST * (1 - JITTER), rel=1e-3)


def test_no_patience_makes_no_attempt(clock):
    assert Backoff(0, clock=clock).next_delay() is None


def test_patience_begins_again_with_every_frame(clock):
    backoff = Backoff(10, clock=clock, draw=lambda: 0.0)
    delays(backoff, clock)
    backoff.note_frame()
    assert backoff.attempts == 0
    assert backoff.next_delay() is not None


def test_a_connection_that_flaps_does_not_shorten_the_delays(clock):
    backoff = Backoff(math.inf, clock=clock, draw=lambda: 0.0)
    found = []
    for _ in range(4):
        found.append(backoff.next_delay())
        clock.now += found[-1]
        backoff.note_frame()
        clock.now += 5
        backoff.note_frame()
    assert found == [1, 2, 4, 8]


def test_a_connection_that_holds_does(clock):
    backoff = Backoff(math.inf, clock=clock, draw=lambda: 0.0)
    delays(backoff, clock, 4)
    backoff.note_frame()
    clock.now += LONGEST + 1
    backoff.note_frame()
    assert backoff.next_delay() == FIRST


@pytest.mark.parametrize("patience", [-1, math.nan])
def test_patience_is_a_time(patience):
    with pytest.raises(SettingsError, match="patience"):
        Backoff(patience)
