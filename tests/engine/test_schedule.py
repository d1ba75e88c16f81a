from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.engine.schedule import Schedule, Window
from costream.errors import SettingsError
from costream.video import Gap, Sample
from tests.fakes import noise_pictures, samples_of

PICTURE = noise_pictures(1)[0]


def samples_at(ticks: list[int]) -> list[Sample]:
    return samples_of([PICTURE] * len(ticks), ticks)


def spans(windows: list[Window]) -> list[tuple[int, int, list[int]]]:
    return [(w.start, w.end, [t.tick for t in w.arrivals]) for w in windows]


def test_windows_slide_by_their_stride_and_hold_each_patch_once() -> None:
    schedule = Schedule(fps=2, window=8, stride=4, patch=2, recent=8)
    windows = list(schedule.windows(samples_at(list(range(16)))))
    assert spans(windows) == [(0, 8, [0, 2, 4, 6]), (4, 12, [8, 10]), (8, 16, [12, 14])]


def test_what_is_left_at_the_end_makes_one_more_window() -> None:
    schedule = Schedule(fps=2, window=8, stride=4, patch=2, recent=8)
    windows = list(schedule.windows(samples_at(list(range(9)))))
    assert spans(windows) == [(0, 8, [0, 2, 4, 6]), (4, 9, [8])]
    assert len(windows[-1].arrivals[-1].samples) == 1


def test_a_stream_shorter_than_the_window_gives_one() -> None:
    windows = list(
        Schedule(fps=2, window=80, stride=16, patch=2, recent=80).windows(samples_at([0, 1, 2]))
    )
    assert spans(windows) == [(0, 3, [0, 2])]


def test_an_empty_stream_gives_none() -> None:
    assert not list(Schedule(fps=2, window=8, stride=4, patch=2, recent=8).windows([]))


def test_a_window_is_given_as_soon_as_its_last_patch_is_complete() -> None:
    taken: list[int] = []

    def live():
        for sample in samples_at(list(range(40))):
            taken.append(sample.tick)
            yield sample

    next(Schedule(fps=2, window=8, stride=4, patch=2, recent=8).windows(live()))
    assert taken[-1] == 7


def test_a_gap_in_the_stream_leaves_out_windows_without_frames() -> None:
    schedule = Schedule(fps=2, window=4, stride=2, patch=2, recent=4)
    windows = list(schedule.windows(samples_at([0, 1, 2, 3, 100, 101, 102, 103])))
    assert [w.start for w in windows] == [0, 2, 98, 100]
    assert windows[1].arrivals == ()


def test_a_gap_of_years_takes_no_longer() -> None:
    schedule = Schedule(fps=2, window=4, stride=2, patch=2, recent=4)
    far = 10**12
    windows = schedule.windows(samples_at([0, 1, 2, 3, far, far + 1, far + 2, far + 3]))
    assert [w.start for w in windows] == [0, 2, far - 2, far]


def test_a_missing_frame_leaves_its_patch_with_one() -> None:
    windows = list(
        Schedule(fps=2, window=4, stride=4, patch=2, recent=4).windows(samples_at([0, 1, 3]))
    )
    assert [[s.tick for s in t.samples] for t in windows[0].arrivals] == [[0, 1], [3]]


@given(
    ticks=st.sets(st.integers(0, 120), min_size=1).map(sorted),
    patch=st.sampled_from([1, 2]),
    window=st.integers(1, 12),
    stride=st.integers(1, 12),
)
def test_every_patch_arrives_once_in_a_window_that_covers_it(
    ticks: list[int], patch: int, window: int, stride: int
) -> None:
    window, stride = max(window, stride) * patch, stride * patch
    windows = list(Schedule(2, window, stride, patch, window).windows(samples_at(ticks)))
    arrived = [tubelet.tick for w in windows for tubelet in w.arrivals]
    assert arrived == sorted({tick // patch * patch for tick in ticks})
    for w in windows:
        assert w.start == w.index * stride
        assert all(w.start <= t.tick < w.end <= w.start + window for t in w.arrivals)
    assert [w.index for w in windows] == sorted({w.index for w in windows})


@pytest.mark.parametrize(("window", "stride"), [(40, 0.5), (40.25, 8), (40, 0.2)])
def test_lengths_that_cut_a_temporal_patch_are_refused(window: float, stride: float) -> None:
    with pytest.raises(SettingsError, match="choose a multiple of 1 s"):
        Schedule.from_seconds(2, window, stride, 2)


def test_only_the_recent_part_of_a_window_is_shown() -> None:
    schedule = Schedule.from_seconds(2, window=4, stride=1, patch=2, recent=2)
    shown = [w.last(schedule.recent) for w in schedule.windows(samples_at(list(range(12))))]
    assert spans(shown) == [(4, 8, [4, 6]), (6, 10, [8]), (8, 12, [10])]
    assert Schedule.from_seconds(2, 4, 1, 2).recent == 8


def test_a_window_is_at_most_itself() -> None:
    (window,) = Schedule(2, 8, 8, 2, 8).windows(samples_at([0, 1, 2, 3]))
    assert window.last(100) == window


def with_gaps(*items: int | str) -> list[Sample | Gap]:
    """Ticks stand for samples, words for news of a gap."""
    return [
        samples_at([item])[0] if isinstance(item, int) else Gap(item, 0.0, None, "")
        for item in items
    ]


SLIDING = Schedule(fps=2, window=8, stride=4, patch=2, recent=8)


def test_what_came_before_a_loss_is_answered_at_once() -> None:
    windows = SLIDING.windows(with_gaps(*range(10), "lost", "back", 40, 41))
    assert spans([next(windows), next(windows)]) == [(0, 8, [0, 2, 4, 6]), (4, 10, [8])]


def test_a_short_loss_leaves_a_hole_in_the_window() -> None:
    items = with_gaps(*range(9), "lost", "back", 11, 12, 13, 14, 15, 16)
    assert spans(list(SLIDING.windows(items))) == [
        (0, 8, [0, 2, 4, 6]),
        (4, 9, [8]),
        (8, 16, [10, 12, 14]),
        (12, 17, [16]),
    ]


def test_windows_of_the_time_away_are_left_out() -> None:
    """The next one has a whole stride of frames from behind the gap."""
    windows = list(SLIDING.windows(with_gaps(*range(8), "lost", "back", *range(41, 48))))
    assert spans(windows) == [(0, 8, [0, 2, 4, 6]), (40, 48, [40, 42, 44, 46])]
    assert [window.index for window in windows] == [0, 10]


def test_frames_before_skipped_ones_stay_for_the_next_window() -> None:
    """One that starts behind them lets them go."""
    kept = SLIDING.windows(with_gaps(*range(10), "skipped", *range(12, 16)))
    assert spans(list(kept))[1:] == [(8, 16, [8, 12, 14])]
    gone = SLIDING.windows(with_gaps(*range(10), "skipped", *range(28, 32)))
    assert spans(list(gone))[1:] == [(24, 32, [28, 30])]


def test_a_lost_source_that_never_gave_a_window_gives_one() -> None:
    assert spans(list(SLIDING.windows(with_gaps(0, 1, 2, "lost")))) == [(0, 3, [0, 2])]


@given(
    st.lists(
        st.one_of(st.integers(1, 9), st.sampled_from(["lost", "back", "skipped"])), max_size=60
    )
)
def test_with_any_gaps_no_frame_is_in_two_windows_and_windows_move_on(steps) -> None:
    tick, items = -1, []
    for step in steps:
        tick += step if isinstance(step, int) else 0
        items.append(tick if isinstance(step, int) else step)
    windows = list(SLIDING.windows(with_gaps(*items)))
    numbers = [window.index for window in windows]
    assert numbers == sorted(set(numbers))
    seen = [sample.tick for w in windows for t in w.arrivals for sample in t.samples]
    assert seen == sorted(set(seen))
    for window in windows:
        assert all(window.start <= tubelet.tick < window.end for tubelet in window.arrivals)
        assert window.end <= window.start + SLIDING.window
    for recent in (2, 6, 8):
        shown = [window.last(recent) for window in windows]
        for one, other in itertools.pairwise(shown):
            assert other.start >= SLIDING.next_start(one.index, one.start)


def test_the_next_window_begins_a_stride_on_or_with_its_end() -> None:
    schedule = Schedule(fps=2, window=80, stride=16, patch=2, recent=80)
    assert schedule.next_start(3, 48) == 64
    assert schedule.next_start(3, 108) == 108


@given(st.integers(1, 60), st.sampled_from([1, 2]))
def test_the_last_window_ends_with_the_stream(ticks, patch) -> None:
    schedule = Schedule(fps=2, window=8, stride=4, patch=patch, recent=8)
    *_, last = schedule.windows(samples_at(list(range(ticks))))
    assert last.end == ticks
