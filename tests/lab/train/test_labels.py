import pytest

from costream.lab.synth import EVENT_KINDS, Event
from costream.lab.train.labels import NEEDED, is_on, is_shown


def test_every_kind_says_what_it_takes():
    assert set(NEEDED) == set(EVENT_KINDS)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 10, False),
        (9, 19, None),
        (15, 25, True),
        (30, 40, True),
        (58, 68, None),
        (60, 70, False),
    ],
)
def test_a_window_shows_an_event_once_enough_of_it_lies_within(start, end, expected):
    events = [Event("fighting", 1, 18.0, 59.0)]
    assert is_shown("fighting", start, end, events) is expected


@pytest.mark.parametrize(("start", "expected"), [(0, False), (15, True), (19.5, None), (40, None)])
def test_a_theft_is_told_by_what_was_there_before(start, expected):
    events = [Event("stealing", 1, 20.0, 26.0)]
    assert is_shown("stealing", start, start + 10, events) is expected


def test_an_event_says_nothing_of_other_kinds():
    assert is_shown("fall", 0, 10, [Event("fire", 1, 0.0, 10.0)]) is False


def test_one_clear_event_outweighs_an_unclear_one():
    events = [Event("fire", 1, 0.0, 5.0), Event("fire", 2, 9.0, 40.0)]
    assert is_shown("fire", 0, 10, events) is True


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 1, False), (17.5, 18.5, None), (18, 19, True), (58.5, 59.5, None), (59, 60, False)],
)
def test_an_event_is_on_while_it_lasts(start, end, expected):
    assert is_on("fire", start, end, [Event("fire", 1, 18.0, 59.0)]) is expected
    assert is_on("fall", start, end, [Event("fire", 1, 18.0, 59.0)]) is False
