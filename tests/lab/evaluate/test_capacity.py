"""The capacity benchmark: what is counted, what is late, and what busy neighbours leave."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

from costream.cli.connect import Connect
from costream.engine.result import FlopCount, Result, StageSeconds, TokenCount
from costream.errors import SettingsError
from costream.lab.evaluate import punctuality
from costream.lab.evaluate.capacity import Capacity, Floor, Throughput, measure
from costream.lab.evaluate.capacity_plots import plot_capacity
from costream.lab.evaluate.neighbours import busy_neighbours
from costream.lab.evaluate.punctuality import Punctuality, measure_punctuality
from costream.lab.evaluate.rehearsal import Pace, RehearsedSource
from tests.video.encode import encode, still

STRIDE = 2.0
SECONDS = StageSeconds(decode=0.01, prune=0.02, vision=0.03, prefill=0.04, generate=0.5)


def result(stream: str, index: int, lag: float | None = None) -> Result:
    return Result(
        stream=stream,
        index=index,
        start=index * STRIDE,
        end=index * STRIDE + 10,
        answers=(),
        frames=20,
        anchors=0,
        damaged=0,
        motion="none",
        tokens=TokenCount(0, 0, 0, 0, 0, 0, 0),
        flops=FlopCount(full=0, spent=2_000_000_000, asking=0),
        seconds=SECONDS,
        lag=lag,
        rows=100 + index,
    )


class Clock:
    """The clock of a module under test, which moves when results come."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def play(self, *events: tuple[float, Result]) -> Iterator[Result]:
        for at, one in events:
            self.now = 1000 + at
            yield one


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(punctuality, "monotonic", clock)
    monkeypatch.setattr("costream.lab.evaluate.capacity.perf_counter", clock)
    return clock


def test_start_up_and_the_end_are_left_out(clock: Clock) -> None:
    events = [(at, result("a", n)) for n, at in enumerate((1, 2, 3, 4, 5, 6, 7, 8))]
    events += [(at, result("b", n)) for n, at in enumerate((3.5, 4.5, 5.5, 9, 10, 11))]
    results = clock.play(*sorted(events, key=lambda event: event[0]))
    found = measure(results, 2, 2, Floor(decode=0.1, gflops=10))
    # Between 3.5, when both had begun, and 8, when one had ended: five of a, two of b.
    assert found.windows == 7 and found.windows_per_s == pytest.approx(7 / 4.5)
    assert found.rows == pytest.approx((3 + 4 + 5 + 6 + 7 + 1 + 2) / 7 + 100)
    assert found.floor_share == pytest.approx(0.3 * 7 / 4.5 / 2)
    had = 2 / found.windows_per_s
    assert found.seconds == pytest.approx(
        {"decode": 0.01, "prune": 0.02, "vision": 0.03, "prefill": 0.04, "other": had - 0.1}
    )


def test_enough_is_enough_and_too_little_is_told(clock: Clock) -> None:
    endless = ((at / 2, result("a", at)) for at in range(10**9))
    assert (
        measure(clock.play(*[next(endless) for _ in range(99)]), 1, 1, Floor(1, 1), 4).windows == 9
    )
    with pytest.raises(SettingsError, match="name longer sources"):
        measure(clock.play((1, result("a", 0)), (2, result("b", 0))), 2, 1, Floor(1, 1))


def test_what_is_late_counts_once_things_have_settled(clock: Clock) -> None:
    events = [(1, "a", 9.0), (2, "b", 9.0), (5, "a", 0.5), (6.4, "a", 0.3), (7, "b", 0.7)]
    events += [(8, "a", 2.5), (9, "b", 3.0), (12, "a", 0.1), (13, "b", 0.1)]
    results = clock.play(*((at, result(stream, 0, lag)) for at, stream, lag in events))
    found = measure_punctuality(results, 2, stride=STRIDE, seconds=6, length=inf)
    # Both have begun at 2, and windows count that are complete from 6 on, until 12. Those of b that
    # are complete at 8 and 10 have no answer then.
    assert found.delays == pytest.approx((0.3, 0.7, 3.0, 0.1, 4.0, 2.0))


def test_the_lag_begins_a_stride_behind_the_window() -> None:
    found = Punctuality((0.5, 1.0, 2.0, 2.5, 4.0), STRIDE)
    assert [found.delay(p) for p in (0, 50, 100)] == [0.5, 2.0, 4.0]
    assert [found.lag(p) for p in (0, 50, 75, 100)] == [0, 0, 0.5, 2.0]


@pytest.mark.parametrize(("length", "waiting"), [(inf, [8.0, 6.0, 4.0, 2.0]), (26, [8.0, 6.0])])
def test_windows_that_nobody_answers_count_by_how_long_they_wait(
    clock: Clock, length: float, waiting: list[float]
) -> None:
    """One camera starves: its last answer is of a window that was complete at 6."""
    events = [(0, "a", 0, 0.0), (0, "b", 0, 0.0), (6, "b", 6, 0.0)]
    events += [(at, "a", at, 0.0) for at in range(4, 17)]
    played = sorted(events, key=lambda event: event[0])
    results = clock.play(*((at, result(stream, n, lag)) for at, stream, n, lag in played))
    found = measure_punctuality(results, 2, stride=STRIDE, seconds=12, length=length)
    assert sorted((d for d in found.delays if d), reverse=True) == waiting


def test_in_real_time_samples_come_when_their_time_has_come(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    encode(path, still(30), rate=10)
    connect = Connect(str(path), False, "all", {"reach": "local"})
    begun = time.monotonic()
    source = RehearsedSource(connect, 3, Pace(ahead=2.0, phase=0.25))
    assert source.info.live and source.info.source == f"{path} (3)"
    came = [(time.monotonic() - begun, sample) for sample in source.samples(2)]
    source.close()
    assert [sample.time for _, sample in came] == [0, 0.5, 1, 1.5, 2, 2.5]
    first = came[0][1].received - came[0][1].time
    for at, sample in came:
        assert begun + at >= sample.received
    assert came[-1][0] >= 0.75 > came[0][0]
    assert came[-1][1].received == pytest.approx(first + 2.5, abs=1e-6)
    at_once = RehearsedSource(connect, 1)
    assert not at_once.info.live and len(list(at_once.samples(2))) == 6
    at_once.close()


def test_neighbours_keep_a_core_busy_each_and_go() -> None:
    def ticks() -> int:
        return sum(os.times()[2:4])

    before = ticks()
    with busy_neighbours(1):
        time.sleep(0.5)
    assert ticks() - before > 0.1


def capacity(streams: int, delay: float | None) -> Capacity:
    found = Throughput(streams, 2, 50, 20.0 / streams, 100, 2**28, {"decode": 1, "other": 2}, 0.25)
    late = None if delay is None else Punctuality((delay, 2 * delay), STRIDE)
    return Capacity(found, STRIDE, 1e6, late, beside=8.0 / streams)


def test_a_row_says_all_and_only_what_was_measured(tmp_path: Path) -> None:
    values = capacity(2, 1.5).to_dict()
    assert values == {
        "streams": 2,
        "windows_per_s": 10.0,
        "real_time_streams": 20.0,
        "lag_p50_s": pytest.approx(0.5),
        "lag_p95_s": pytest.approx(0.95),
        "delay_p50_s": pytest.approx(2.25),
        "delay_p95_s": pytest.approx(2.925),
        "stream_bytes": 1e6,
        "peak_bytes": 2**28,
        "seconds": {"decode": 1, "other": 2},
        "floor_share": 0.25,
        "workers": 2,
        "windows": 50,
        "busy_windows_per_s": 4.0,
        "busy_share": 0.4,
    }
    late = ("lag_p50_s", "lag_p95_s", "delay_p50_s", "delay_p95_s")
    assert all(capacity(1, None).to_dict()[name] is None for name in late)
    drawn = plot_capacity([capacity(4, 1.0), capacity(1, 0.5)], tmp_path)
    assert {path.name for path in drawn} == {
        "capacity-cameras.png",
        "capacity-lag.png",
        "capacity-seconds.png",
    }
    assert all(path.stat().st_size > 5000 for path in drawn)
    assert len(plot_capacity([capacity(1, None)], tmp_path)) == 2
