"""One incident is one event."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.serve.config.watched import AlertRule
from costream.serve.events.event import ScoredWindow
from costream.serve.events.incident import GRACE, Incident, Span, Step

STRIDE = 2.0


def window(end: float, score: float | None, threshold: float = 0.5, set: float = 0) -> ScoredWindow:
    return ScoredWindow(end - 12 + set, end + set, score, threshold, STRIDE, received=end)


def run(
    scores: list[float | None],
    rule: AlertRule,
    incident: Incident | None = None,
    first: float = 2,
    set: float = 0,
) -> list[Step]:
    """Takes windows at a stride of 2 s, the first of which ends at ``first``.

    The wall clock is ``set`` seconds ahead of what it was at first.
    """
    incident = incident or Incident()
    ends = [first + STRIDE * i for i in range(len(scores))]
    return [
        s
        for end, x in zip(ends, scores, strict=True)
        for s in incident.observe(window(end, x, set=set), rule)
    ]


def told(steps: list[Step]) -> list[tuple[str, float, float | None]]:
    return [(step.change, step.at, step.span.end) for step in steps]


def test_an_incident_of_a_minute_is_one_event() -> None:
    steps = run([0.1] * 5 + [0.9] * 30 + [0.1] * 40, AlertRule(cooldown=60))
    # The incident is over with the window that ends at 70; 60 s later no other has begun.
    assert told(steps) == [("new", 12, None), ("update", 72, 70), ("end", 132, 70)]
    assert steps[0].span.start == 10


def test_incidents_within_the_cool_down_continue_one_event() -> None:
    steps = run([0.9] * 3 + [0.1] * 5 + [0.8] * 3 + [0.1] * 10, AlertRule(cooldown=10))
    assert told(steps) == [
        ("new", 2, None),
        ("update", 8, 6),
        ("update", 18, None),
        ("update", 24, 22),
        ("end", 34, 22),
    ]
    assert steps[-1].span.start == 0


def test_incidents_further_apart_than_the_cool_down_are_two_events() -> None:
    steps = run([0.9] * 3 + [0.1] * 7 + [0.8] * 3 + [0.1] * 10, AlertRule(cooldown=10))
    assert [step.change for step in steps] == ["new", "update", "end", "new", "update", "end"]


def test_without_a_cool_down_the_end_is_told_at_once() -> None:
    steps = run([0.9, 0.1, 0.9, 0.1], AlertRule(cooldown=0))
    assert told(steps) == [("new", 2, None), ("end", 4, 2), ("new", 6, None), ("end", 8, 6)]


def test_a_score_between_release_and_threshold_keeps_an_incident_and_begins_none() -> None:
    steps = run([0.4, 0.6, 0.4, 0.36, 0.34], AlertRule(cooldown=0))
    assert told(steps) == [("new", 4, None), ("end", 10, 8)]


def test_release_and_threshold_of_the_rule_come_before_the_models() -> None:
    steps = run([0.7, 0.9, 0.75, 0.5], AlertRule(threshold=0.8, release=0.6, cooldown=0))
    assert told(steps) == [("new", 4, None), ("end", 8, 6)]
    assert steps[0].span.threshold == 0.8


def test_an_incident_counts_once_it_stayed_at_the_threshold_for_as_long_as_asked() -> None:
    rule = AlertRule(hold=6, cooldown=0)
    assert run([0.9, 0.9, 0.4, 0.9, 0.9, 0.1], rule) == []
    steps = run([0.1, 0.6, 0.9, 0.7, 0.1], rule)
    assert told(steps) == [("new", 8, None), ("end", 10, 8)]
    assert (steps[0].span.start, steps[0].span.score) == (2, 0.9)


def test_an_incident_that_begins_in_the_cool_down_and_counts_after_it_continues_the_event() -> None:
    steps = run([0.9] * 3 + [0.1] * 3 + [0.9] * 5 + [0.1] * 9, AlertRule(hold=6, cooldown=8))
    assert told(steps) == [
        ("new", 6, None),
        ("update", 8, 6),
        ("update", 18, None),
        ("update", 24, 22),
        ("end", 32, 22),
    ]


def test_windows_without_a_number_neither_begin_nor_end() -> None:
    none: list[float | None] = [None] * 3
    assert run(none, AlertRule()) == []
    steps = run([0.9, *none, 0.9, 0.1], AlertRule(cooldown=0))
    assert told(steps) == [("new", 2, None), ("end", 12, 10)]
    steps = run([0.9, *none, 0.1], AlertRule(cooldown=0))
    assert told(steps) == [("new", 2, None), ("end", 10, 2)]


def test_updates_come_as_often_as_asked_while_an_incident_lasts() -> None:
    steps = run([0.6, 0.7, 0.8, 0.9, 0.8, 0.1], AlertRule(update_every=4, cooldown=0))
    assert told(steps) == [
        ("new", 2, None),
        ("update", 6, None),
        ("update", 10, None),
        ("end", 12, 10),
    ]
    assert [step.span.score for step in steps] == [0.6, 0.8, 0.9, 0.9]


def test_a_lost_camera_ends_the_incident_and_its_return_may_continue_it() -> None:
    incident, rule = Incident(), AlertRule(cooldown=20)
    run([0.9, 0.9], rule, incident)
    (lost,) = incident.lose(7.0)
    assert (lost.change, lost.span.end, lost.span.interrupted) == ("update", 4, True)
    (back,) = run([0.9], rule, incident, first=20)
    assert (back.change, back.span.end, back.span.interrupted) == ("update", None, False)


def test_a_lost_camera_that_stays_away_ends_the_event_as_interrupted() -> None:
    incident, rule = Incident(), AlertRule(cooldown=20)
    run([0.9, 0.9], rule, incident)
    incident.lose(7.0)
    assert incident.expire(24 + GRACE, 24 + GRACE, rule.cooldown) == []
    (end,) = incident.expire(24.1 + GRACE, 24.1 + GRACE, rule.cooldown)
    assert (end.change, end.span.end, end.span.interrupted) == ("end", 4, True)


def test_a_long_silence_ends_an_event_with_the_last_that_is_known() -> None:
    rule = AlertRule(cooldown=20)
    incident = Incident()
    run([0.9, 0.9], rule, incident)
    steps = run([0.9], rule, incident, first=100)
    assert told(steps) == [("end", 100, 4), ("new", 100, None)]
    assert steps[0].span.interrupted
    assert steps[1].span.start == 98


HOUR = 3600.0


@pytest.mark.parametrize("set", [HOUR, -HOUR])
@pytest.mark.parametrize("cooldown", [0, 60, 2 * HOUR])
def test_a_clock_that_is_set_ends_the_event_and_keeps_nothing_waiting(
    set: float, cooldown: float
) -> None:
    rule = AlertRule(cooldown=cooldown, hold=4)
    incident = Incident()
    run([0.9] * 4, rule, incident, first=9994)
    steps = run([0.9] * 4, rule, incident, first=10002, set=set)
    assert told(steps) == [("end", 10002 + set, 10000), ("new", 10004 + set, None)]
    assert steps[0].span.interrupted and not steps[1].span.interrupted
    assert steps[1].span.start == 10000 + set


@pytest.mark.parametrize("set", [HOUR, -HOUR])
def test_what_rises_when_the_clock_is_set_has_to_hold_anew(set: float) -> None:
    rule, incident = AlertRule(cooldown=2 * HOUR, hold=10), Incident()
    assert run([0.1, 0.9], rule, incident, first=9998) == []
    assert run([0.9, 0.1], rule, incident, first=10002, set=set) == []
    (new,) = run([0.9] * 6, rule, incident, first=10006, set=set)
    assert new.span.start == 10004 + set


@pytest.mark.parametrize("set", [GRACE - 1, 1 - GRACE])
def test_a_clock_that_is_set_by_less_ends_nothing(set: float) -> None:
    rule, incident = AlertRule(cooldown=20), Incident()
    run([0.9, 0.9], rule, incident, first=100)
    assert run([0.9] * 20, rule, incident, first=104, set=set) == []
    assert incident.lasting


@pytest.mark.parametrize("set", [HOUR, -HOUR])
def test_an_event_expires_in_time_though_the_clock_was_set(set: float) -> None:
    rule, incident = AlertRule(cooldown=20), Incident()
    run([0.9, 0.9], rule, incident)
    incident.lose(7.0)
    assert incident.expire(24 + GRACE + set, 24 + GRACE, rule.cooldown) == []
    (end,) = incident.expire(24.1 + GRACE + set, 24.1 + GRACE, rule.cooldown)
    assert (end.change, end.span.end, end.span.interrupted) == ("end", 4, True)


def test_closing_ends_what_lasts_as_interrupted_and_what_cools_as_it_was() -> None:
    lasting = Incident()
    run([0.9], AlertRule(), lasting)
    (end,) = lasting.close(3)
    assert (end.change, end.span.end, end.span.interrupted) == ("end", 2, True)
    cooling = Incident()
    run([0.9, 0.1], AlertRule(), cooling)
    (end,) = cooling.close(5)
    assert (end.span.end, end.span.interrupted) == (2, False)
    assert cooling.close(6) == []


@pytest.mark.parametrize(
    ("pause", "changes"), [(3, ["update"]), (20, ["end", "new"]), (100, ["end", "new"])]
)
def test_an_event_of_before_a_crash_is_resumed_or_ended(pause: float, changes: list[str]) -> None:
    rule = AlertRule(cooldown=10)
    incident = Incident.resumed(Span(0, None, 0.9, 0.5), last=20, received=20)
    assert [step.change for step in incident.lose(22)] == ["update"]
    assert [s.change for s in run([0.9], rule, incident, first=22 + pause)] == changes


SCORES = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=60)
RULES = st.builds(
    AlertRule,
    threshold=st.one_of(st.none(), st.floats(0.05, 1)),
    release=st.one_of(st.none(), st.floats(0, 1)),
    hold=st.sampled_from([0.0, 3.0, 8.0]),
    cooldown=st.sampled_from([0.0, 1.0, 5.0, 20.0]),
    update_every=st.sampled_from([0.0, 4.0]),
)
GAPS = st.lists(st.sampled_from([2.0, 2.0, 2.0, 2.0, 7.0, 90.0]), min_size=60, max_size=60)


@given(SCORES, RULES, GAPS)
def test_every_event_has_one_new_and_one_end(
    scores: list[float | None], rule: AlertRule, gaps: list[float]
) -> None:
    incident, at, steps = Incident(), 0.0, []
    for score, gap in zip(scores, gaps, strict=False):
        at += gap
        steps += incident.observe(window(at, score), rule)
    steps += incident.expire(at + 1000, at + 1000, rule.cooldown)

    order = "".join(step.change[0] for step in steps)
    events = [part for part in order.split("e") if part]
    assert all(part[0] == "n" and set(part[1:]) <= {"u"} for part in events)
    assert order == "" or order.endswith("e")
    assert all(one.at <= other.at for one, other in pairwise(steps))
    _check_spans(steps, scores)


def _check_spans(steps: list[Step], scores: list[float | None]) -> None:
    ended = -math.inf
    reached = {score for score in scores if score is not None}
    for step in steps:
        span = step.span
        if step.change == "new":
            assert span.start >= ended
        assert span.score in reached
        assert span.score >= span.threshold
        assert span.end is None or span.start <= span.end <= step.at
        if step.change == "end":
            assert span.end is not None
            ended = span.end


@given(SCORES, RULES)
def test_no_event_without_the_threshold(scores: list[float | None], rule: AlertRule) -> None:
    threshold = 0.5 if rule.threshold is None else rule.threshold
    low = [score if score is None or score < threshold else 0.0 for score in scores]
    assert run(low, rule) == []


@given(SCORES, RULES)
def test_incidents_are_further_apart_than_the_cool_down(
    scores: list[float | None], rule: AlertRule
) -> None:
    steps = run(scores, rule)
    ends = [step.span.end for step in steps if step.change == "end"]
    starts = [step.span.start for step in steps if step.change == "new"]
    for end, start in zip(ends, starts[1:], strict=False):
        assert end is not None
        assert start > end + rule.cooldown
