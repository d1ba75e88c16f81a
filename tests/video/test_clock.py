import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.errors import SettingsError
from costream.video.clock import MAX_GAP, StreamClock, TickGrid


def times(raw, interval=0.04):
    clock = StreamClock(interval)
    return [clock.advance(each) for each in raw]


def test_starts_at_zero_even_from_a_negative_time():
    assert times([-0.5, -0.46, -0.42]) == pytest.approx([0, 0.04, 0.08])


def test_missing_times_follow_the_nominal_rate():
    assert times([None, None, 0.3, None]) == pytest.approx([0, 0.04, 0.08, 0.12])


@pytest.mark.parametrize("jump", [-100.0, MAX_GAP + 1, 1e6])
def test_a_reset_of_the_clock_costs_one_interval(jump):
    got = times([5, 5.04, 5.04 + jump, 5.08 + jump])
    assert got == pytest.approx([0, 0.04, 0.08, 0.12])


def test_a_pause_is_kept():
    assert times([0, 0.04, 4.04]) == pytest.approx([0, 0.04, 4.04])


def test_a_slow_source_is_not_taken_for_a_reset():
    assert times([0, 20, 40], interval=20) == pytest.approx([0, 20, 40])


def test_a_long_gap_is_kept_where_it_was_told_from_a_reset_before():
    clock = StreamClock(0.04, math.inf)
    assert [clock.advance(each) for each in (0, 0.04, 5000)] == pytest.approx([0, 0.04, 5000])
    assert clock.advance(-5) == pytest.approx(5000.04)


def test_another_recording_goes_on_one_interval_later():
    clock = StreamClock(0.04, math.inf)
    clock.advance(0)
    clock.advance(2.0)
    clock.restart(0.1)
    assert [clock.advance(each) for each in (700, 700.1)] == pytest.approx([2.1, 2.2])


def test_jitter_and_duplicates_do_not_shift_the_clock_for_good():
    got = times([0, 0.08, 0.04, 0.04, 0.3])
    assert got == pytest.approx([0, 0.08, 0.12, 0.16, 0.3])


def test_a_clock_that_stands_still_runs_at_the_nominal_rate():
    assert times([7.0] * 4) == pytest.approx([0, 0.04, 0.08, 0.12])


@given(st.lists(st.one_of(st.none(), st.floats(-1e5, 1e5)), min_size=1, max_size=60))
def test_stream_time_grows_strictly_from_zero(raw):
    got = times(raw)
    assert got[0] == 0
    assert all(a < b for a, b in itertools.pairwise(got))


@given(
    st.lists(st.floats(0.001, 3), max_size=80),
    st.floats(0.1, 50),
)
def test_a_sample_is_the_first_frame_of_each_tick(steps, fps):
    frames = [0.0]
    for step in steps:
        frames.append(frames[-1] + step)
    grid = TickGrid(fps)
    ticks = [grid.tick(time) for time in frames]
    sampled = [tick for tick in ticks if tick is not None]

    expected = [math.floor(time * fps + 1e-6) for time in frames]
    assert sampled == sorted(set(expected))
    for tick, right in zip(ticks, expected, strict=True):
        assert tick is None or tick == right
    assert all(ticks[expected.index(tick)] == tick for tick in sampled)


def test_rounding_does_not_miss_a_tick():
    grid = TickGrid(10)
    assert [grid.tick(i / 10) for i in range(200)] == list(range(200))


@pytest.mark.parametrize("fps", [0, -1, math.nan, math.inf])
def test_a_rate_must_be_positive_and_finite(fps):
    with pytest.raises(SettingsError, match="sampling rate"):
        TickGrid(fps)
