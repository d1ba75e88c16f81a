from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.lab.evaluate.metrics import EventScore, find_events

WINDOWS = [(2.0 * n, 2.0 * n + 10) for n in range(10)]


def alerting(*numbers: int) -> list[bool]:
    return [number in numbers for number in range(10)]


def test_an_event_is_found_by_the_first_window_over_it() -> None:
    score = find_events(WINDOWS, alerting(4, 5), [(11.0, 14.0)])
    assert score == EventScore(events=1, found=1, alerts=1, justified=1, delays=(18.0 - 11.0,))


def test_an_alert_that_began_before_counts_from_where_it_overlaps() -> None:
    score = find_events(WINDOWS, alerting(0, 1, 2), [(11.0, 14.0)])
    assert score.delays == (12.0 - 11.0,)
    assert score.alerts == 1


def test_windows_that_only_touch_find_nothing() -> None:
    score = find_events(WINDOWS, alerting(0), [(10.0, 12.0)])
    assert (score.found, score.alerts, score.justified, score.delay) == (0, 1, 0, None)


def test_alerts_merge_where_windows_are_adjacent() -> None:
    assert find_events(WINDOWS, alerting(0, 1, 3, 7, 8, 9), []).alerts == 3


def test_scores_of_several_videos_add_up() -> None:
    one, other = EventScore(2, 1, 3, 1, (4.0,)), EventScore(2, 2, 1, 1, (1.0, 4.0))
    both = one + other
    assert (both.recall, both.precision, both.delay) == (0.75, 0.5, 3.0)
    assert (EventScore().recall, EventScore().precision) == (0, 0)


@given(
    yes=st.lists(st.booleans(), min_size=10, max_size=10),
    events=st.lists(st.tuples(st.floats(0, 20), st.floats(0.1, 5)), max_size=3),
)
def test_what_is_found_is_found_by_someone(
    yes: list[bool], events: list[tuple[float, float]]
) -> None:
    spans = [(start, start + length) for start, length in events]
    score = find_events(WINDOWS, yes, spans)
    assert score.found <= score.events and score.justified <= score.alerts
    assert bool(score.found) == bool(score.justified)
    assert all(delay >= 0 for delay in score.delays)
    if not any(yes):
        assert score.alerts == score.found == 0
    assert score.recall == pytest.approx(score.found / max(1, len(events)))
