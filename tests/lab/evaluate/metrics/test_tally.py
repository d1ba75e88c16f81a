"""Counts of made-up videos, worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.lab.evaluate.metrics import Tally, VideoTally, event_f1, f1, false_alarms

GOOD = VideoTally(hits=1, events=1, found=1, alerts=1, justified=1, seconds=60, answers=9)
POOR = VideoTally(missed=1, false=1, events=1, alerts=2, seconds=60, answers=9, flips=3, yes=4)

counts = st.builds(
    VideoTally,
    hits=st.integers(0, 2),
    false=st.integers(0, 2),
    missed=st.integers(0, 2),
    seconds=st.just(60),
)


def test_measures_are_of_all_videos_together() -> None:
    tally = Tally([GOOD, POOR])
    assert tally.value(f1) == pytest.approx(0.5)
    assert tally.share("event_recall").value == 0.5
    assert tally.share("event_precision").value == pytest.approx(1 / 3)
    assert tally.value(event_f1) == pytest.approx(0.4)
    assert tally.value(false_alarms) == 60, "two in two minutes"
    assert tally.share("flips").value == pytest.approx(3 / 18)
    assert tally.share("yes_flips").value == pytest.approx(3 / 4)


def test_nothing_counted_is_nothing() -> None:
    tally = Tally([VideoTally()])
    assert [tally.value(one) for one in (f1, event_f1, false_alarms)] == [0, 0, 0]
    assert (tally.share("event_recall").low, tally.share("event_recall").high) == (0, 1)


def test_a_difference_is_surer_than_either_side_where_the_same_videos_are_hard() -> None:
    full, ours = Tally([GOOD, POOR] * 10), Tally([GOOD, POOR] * 9 + [POOR, POOR])
    apart, change = ours.estimate(f1), ours.change(f1, full)
    assert change.value == pytest.approx(ours.value(f1) - full.value(f1))
    assert change.low < change.value < 0 <= change.high
    assert change.high - change.low < 0.7 * (apart.high - apart.low)
    same = full.change(f1, full)
    assert (same.low, same.high) == (0, 0)


@given(videos=st.lists(counts, min_size=1, max_size=6))
def test_a_measure_lies_in_what_drawn_videos_give(videos: list[VideoTally]) -> None:
    tally = Tally(videos)
    score = tally.estimate(f1)
    assert 0 <= score.low <= score.high <= 1
    assert score == tally.estimate(f1), "the drawing is seeded"


def test_a_part_and_a_mean_of_tallies_are_tallies() -> None:
    tally = Tally([GOOD, POOR, GOOD])
    assert tally.only([0, 2]).value(f1) == 1
    mean = Tally.mean([Tally([GOOD]), Tally([POOR])])
    assert mean.value(f1) == Tally([GOOD, POOR]).value(f1)
