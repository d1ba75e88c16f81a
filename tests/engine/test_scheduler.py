"""Streams that share an engine get what each gets alone: joined, left, swapped, short of room."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from time import monotonic

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costream.engine.bell import Bell
from costream.engine.engine import Engine
from costream.engine.feed import Feed, PulledFeed, ThreadedFeed
from costream.engine.ingest import Reports
from costream.engine.result import Result
from costream.engine.row_shape import RowShape
from costream.engine.scheduler import Scheduler
from costream.engine.watch import Watch
from costream.errors import PoolExhaustedError, SettingsError, SourceError
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from tests.engine.driving import ScriptedPruner, check_integrity
from tests.fakes import FakeStream, noise_pictures, samples_of

ASKS = ["Is someone fighting?", "Is it?"]
TOLERANCE = 1e-4
"""Largest difference of scores, from the order of float32 sums."""

quick = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Named(FakeStream):
    def __init__(self, number: int, ticks: int, error: Exception | None = None) -> None:
        pictures = noise_pictures(ticks + 5 * number)[5 * number :]
        super().__init__(samples_of(pictures))
        self.info = replace(self.info, source=f"camera {number}")
        self._error = error

    def samples(self, fps: float, **options: object) -> Iterator:
        yield from super().samples(fps, **options)
        if self._error is not None:
            raise self._error


def engine_of(model: ModelAdapter, kv_memory: int | None = None, **values: object) -> Engine:
    defaults = {"fps": 2, "window": 6, "stride": 2, "frame_size": (128, 96)}
    engine = Engine(model, EngineSettings.checked(**{**defaults, **values}), kv_memory=kv_memory)
    engine._pruner = type("Scripted", (ScriptedPruner,), {"shares": (1.0, 0.2, 0.0, 0.5)})
    return engine


def by_stream(results: Sequence[Result]) -> dict[str, list[Result]]:
    found = defaultdict(list)
    for result in results:
        found[result.stream].append(result)
    return found


def assert_same(found: Sequence[Result], alone: Sequence[Result]) -> None:
    assert [(v.index, v.start, v.end) for v in found] == [(v.index, v.start, v.end) for v in alone]
    for one, other in zip(found, alone, strict=True):
        assert one.tokens == other.tokens
        assert one.flops == other.flops
        for mine, theirs in zip(one.answers, other.answers, strict=True):
            assert mine.score == pytest.approx(theirs.score, abs=TOLERANCE)


@quick
@given(
    lengths=st.lists(st.integers(1, 30), min_size=2, max_size=5),
    batch=st.sampled_from([1, 60, 4096]),
    chunk=st.sampled_from([1, 50, 2048]),
)
def test_streams_together_get_what_each_gets_alone(
    any_model: ModelAdapter, lengths: list[int], batch: int, chunk: int
) -> None:
    engine = engine_of(any_model, batch=batch, chunk=chunk)
    streams = [Named(number, ticks) for number, ticks in enumerate(lengths)]
    together = by_stream(list(engine.watch(streams, ASKS)))
    for number, ticks in enumerate(lengths):
        alone = list(engine_of(any_model).watch(Named(number, ticks), ASKS))
        assert_same(together[f"camera {number}"], alone)
    assert engine.runner.pool.used == engine.runner.prompt.tokens


@pytest.mark.parametrize("chunk", [50, 2048])
def test_they_do_by_flex_attention_too(model: ModelAdapter, chunk: int) -> None:
    engine = engine_of(model, attention="flex", chunk=chunk)
    lengths = (14, 9, 17)
    streams = [Named(number, ticks) for number, ticks in enumerate(lengths)]
    together = by_stream(list(engine.watch(streams, ASKS)))
    for number, ticks in enumerate(lengths):
        alone = list(engine_of(model).watch(Named(number, ticks), ASKS))
        assert_same(together[f"camera {number}"], alone)


def pulled(watch: Watch) -> Feed:
    return PulledFeed(watch, watch.ingest.windows(Reports()))


class Hand:
    """Drives a scheduler by hand."""

    def __init__(self, engine: Engine, host_bytes: int = 1 << 30) -> None:
        self.engine = engine
        self.scheduler = Scheduler(engine.settings.batch, host_bytes)
        self.feeds: dict[int, Feed] = {}

    def join(self, number: int, ticks: int) -> None:
        feed = pulled(self.engine.open(Named(number, ticks), ASKS))
        self.feeds[number] = feed
        self.scheduler.add(feed)

    def leave(self, number: int) -> None:
        feed = self.feeds.pop(number)
        if feed in self.scheduler.feeds:
            self.scheduler.remove(feed)

    def step(self) -> list[Result]:
        batch = None
        while self.scheduler.feeds and batch is None:
            batch = self.scheduler.take()
        if batch is None:
            return []
        found = [result for _, result in self.scheduler.commit(self.engine.runner.run(batch))]
        check_integrity([feed.watch for feed in self.scheduler.feeds] or [self.any_watch()])
        return found

    def any_watch(self):
        return self.engine.open(Named(99, 1), ASKS)


steps = st.lists(st.sampled_from(["join", "leave", "step", "swap", "step"]), max_size=24)


@quick
@given(steps=steps, seed=st.integers(0, 5))
def test_joins_leaves_and_swaps_change_no_answer(
    model: ModelAdapter, steps: list[str], seed: int
) -> None:
    hand, found, joined = Hand(engine_of(model)), list[Result](), 0
    for step in ["join", *steps]:
        if step == "join" and joined < 4:
            hand.join(joined, 12 + 4 * ((joined + seed) % 5))
            joined += 1
        elif step == "leave" and len(hand.feeds) > 1:
            hand.leave(min(hand.feeds))
        elif step == "swap":
            for feed in hand.scheduler.feeds:
                if feed.watch.resident:
                    feed.watch.state.swap_out()
        elif step == "step":
            found += hand.step()
    for name, results in by_stream(found).items():
        number = int(name.rpartition(" ")[2])
        ticks = 12 + 4 * ((number + seed) % 5)
        alone = list(engine_of(model).watch(Named(number, ticks), ASKS))
        assert_same(results, alone[: len(results)])
    hand.scheduler.close()
    assert hand.engine.runner.pool.used == hand.engine.runner.prompt.tokens


def test_the_earliest_deadline_is_first_and_nobody_starves(model: ModelAdapter) -> None:
    hand = Hand(engine_of(model, batch=1, stride=1))
    for number in range(3):
        hand.join(number, 24)
    served = [hand.step()[0].stream for _ in range(18)]
    for begin in range(0, 18, 3):
        assert len(set(served[begin : begin + 3])) == 3


def test_a_stream_that_fails_leaves_the_others_alone(model: ModelAdapter) -> None:
    broken, whole = Named(0, 14, SourceError("camera 0 stopped")), Named(1, 30)
    found = []
    with pytest.raises(SourceError, match="camera 0 stopped"):
        for result in engine_of(model).watch([broken, whole], ASKS):
            found.append(result)
    alone = list(engine_of(model).watch(Named(1, 30), ASKS))
    assert_same(by_stream(found)["camera 1"], alone)


@quick
@given(cameras=st.integers(2, 6), room=st.floats(1.1, 3.5), host=st.sampled_from([0, 1 << 30]))
def test_where_the_pool_is_too_small_for_all_everybody_gets_their_windows(
    model: ModelAdapter, cameras: int, room: float, host: int
) -> None:
    row = model.kv_shape.row_bytes
    single = engine_of(model)
    alone = [list(single.watch(Named(number, 24), ASKS)) for number in range(cameras)]
    needed = 2 * 6 * 20 + 60
    hand = Hand(engine_of(model, kv_memory=int(room * needed) * row), host)
    for number in range(cameras):
        hand.join(number, 24)
    found: list[Result] = []
    while step := hand.step():
        found += step
        pool = hand.engine.runner.pool
        assert pool.used <= pool.capacity <= pool.limit
    assert not any(error for _, error in hand.scheduler.left)
    for number in range(cameras):
        mine = by_stream(found)[f"camera {number}"]
        assert [v.index for v in mine] == [v.index for v in alone[number]]
        if host:
            assert_same(mine, alone[number])


def most_rows(engine: Engine, number: int, ticks: int) -> int:
    """Returns the most rows of the pool that a stream takes by itself."""
    pool, most = engine.runner.pool, 0
    allocate = pool.allocate

    def watched(rows: int) -> object:
        nonlocal most
        taken = allocate(rows)
        most = max(most, pool.used)
        return taken

    pool.allocate = pool._pages._take = watched
    assert list(engine.watch(Named(number, ticks), ASKS))
    return most


@cache
def by_itself(model: ModelAdapter, number: int, rebase_after: int) -> list[Result]:
    return list(engine_of(model, rebase_after=rebase_after).watch(Named(number, 30), ASKS))


@settings(quick, max_examples=6)
@given(
    cameras=st.integers(1, 4),
    room=st.sampled_from([1.0, 1.1, 1.4]),
    host=st.sampled_from([0, 1 << 30]),
    rebase_after=st.sampled_from([60, 150, 65536]),
)
def test_a_pool_of_one_window_and_a_bit_carries_everybody_through_rebases(
    model: ModelAdapter, cameras: int, room: float, host: int, rebase_after: int
) -> None:
    needed = max(most_rows(engine_of(model), number, 30) for number in range(cameras))
    row = RowShape(model.kv_shape).bytes
    hand = Hand(
        engine_of(model, kv_memory=int(room * needed) * row, rebase_after=rebase_after), host
    )
    for number in range(cameras):
        hand.join(number, 30)
    found: list[Result] = []
    while step := hand.step():
        found += step
        names = [feed.watch.info.source for feed in hand.scheduler.feeds]
        served = [sum(v.stream == name for v in found) for name in names]
        assert not served or max(served) - min(served) <= 1
    assert not [error for _, error in hand.scheduler.left if error is not None]
    for number in range(cameras):
        mine, alone = by_stream(found)[f"camera {number}"], by_itself(model, number, rebase_after)
        assert [v.index for v in mine] == [v.index for v in alone]
        if host:
            assert [v.rebased for v in mine] == [v.rebased for v in alone]
            assert_same(mine, alone)
    # Keys and values that were dropped are recomputed, and results say so.
    rebased = sum(v.rebased for v in found)
    if cameras > 1 and not host:
        assert 0 < rebased - cameras <= hand.scheduler.swaps + 4 * cameras


def test_a_rebase_without_room_for_old_and_new_drops_the_old_first(model: ModelAdapter) -> None:
    alone, needed = engine_of(model, rebase_after=60), most_rows(engine_of(model), 0, 40)
    assert most_rows(engine_of(model, rebase_after=60), 0, 40) > 1.2 * needed
    small = engine_of(model, rebase_after=60, kv_memory=needed * RowShape(model.kv_shape).bytes)
    found = list(small.watch(Named(0, 40), ASKS))
    assert sum(v.rebased for v in found) > 2
    assert_same(found, list(alone.watch(Named(0, 40), ASKS)))


def test_a_stream_that_was_dropped_is_one_that_rebases_there_and_says_so(
    model: ModelAdapter,
) -> None:
    dropped, alone = (Hand(engine_of(model)) for _ in range(2))
    for hand in (dropped, alone):
        hand.join(0, 40)
        for _ in range(3):
            hand.step()
    dropped.feeds[0].watch.state.swap_out(keys=False)
    alone.feeds[0].watch.state.rebase_next = True
    (one,), (other,) = dropped.step(), alone.step()
    assert one.rebased and other.rebased
    assert_same([one], [other])
    (one,), (other,) = dropped.step(), alone.step()
    assert not one.rebased
    assert_same([one], [other])


def test_a_stream_that_no_pool_can_carry_is_refused_in_a_sentence(model: ModelAdapter) -> None:
    engine = engine_of(model, kv_memory=60 * model.kv_shape.row_bytes)
    with pytest.raises(PoolExhaustedError, match=r"camera 0: .* more by --kv-memory, shorten"):
        list(engine.watch(Named(0, 12), ASKS))
    assert engine.runner.pool.used == engine.runner.prompt.tokens


def test_files_are_read_when_there_is_time_for_them(model: ModelAdapter) -> None:
    hand = Hand(engine_of(model))
    hand.join(0, 24)
    assert isinstance(hand.feeds[0], PulledFeed)
    assert hand.feeds[0]._waiting is None


class Live(Named):
    """A camera: read by a thread of its own."""

    def __init__(self, number: int, ticks: int, error: Exception | None = None) -> None:
        super().__init__(number, ticks, error)
        self.info = replace(self.info, live=True, awaited=True)


def test_live_streams_are_read_by_threads_and_get_the_same(model: ModelAdapter) -> None:
    streams = [Live(0, 30), Live(1, 22), Named(2, 18)]
    found = by_stream(list(engine_of(model).watch(streams, ASKS)))
    for number, ticks in enumerate((30, 22, 18)):
        alone = list(engine_of(model).watch(Named(number, ticks), ASKS))
        assert_same(found[f"camera {number}"], alone)


def test_a_live_stream_that_fails_leaves_the_others_alone(model: ModelAdapter) -> None:
    found = []
    with pytest.raises(SourceError, match="camera 0 is lost"):
        for result in engine_of(model).watch(
            [Live(0, 14, SourceError("camera 0 is lost")), Live(1, 30)], ASKS
        ):
            found.append(result)
    counts = {name: len(results) for name, results in by_stream(found).items()}
    assert counts == {"camera 0": 1, "camera 1": 6}


class Absent(Named):
    """A camera that can't be opened until it is let in."""

    def __init__(self, number: int, error: Exception | None = None) -> None:
        super().__init__(number, 12)
        self._info, self.here, self._refusal = self.info, threading.Event(), error
        del self.info

    def __getattr__(self, name: str) -> object:
        if name != "info":
            raise AttributeError(name)
        assert self.here.wait(20)
        if self._refusal is not None:
            raise self._refusal
        return self._info


def test_a_camera_that_is_absent_keeps_no_other_waiting(model: ModelAdapter) -> None:
    absent, refused = Absent(0), Absent(1, SourceError("camera 1: wrong password"))
    found = []
    with pytest.raises(SourceError, match="wrong password"):
        for result in engine_of(model).watch([absent, refused, Named(2, 30)], ASKS):
            found.append(result.stream)
            if len(found) == 5:
                absent.here.set()
                refused.here.set()
    assert found[:5] == ["camera 2"] * 5
    assert found.count("camera 0") == 1 and found.count("camera 2") == 6


def test_who_stops_listening_ends_all_streams(model: ModelAdapter) -> None:
    engine = engine_of(model)
    results = engine.watch([Live(0, 30), Named(1, 30)], ASKS)
    next(results)
    results.close()
    assert engine.runner.pool.used == engine.runner.prompt.tokens
    assert list(engine.watch(Named(1, 30), ASKS))


def test_questions_are_checked_before_cameras_are_opened(model: ModelAdapter) -> None:
    with pytest.raises(SettingsError, match="a question is empty"):
        engine_of(model).watch([Absent(0), Absent(1)], [" "])


def test_an_error_that_nobody_foresaw_is_its_stream_s_alone(model: ModelAdapter) -> None:
    absent, broken = Absent(0, ValueError("boom")), Live(1, 14, ZeroDivisionError("half-way"))
    absent.here.set()
    found = []
    with pytest.raises((ValueError, ZeroDivisionError)):
        for result in engine_of(model).watch([absent, broken, Named(2, 30)], ASKS):
            found.append(result.stream)
    assert found.count("camera 2") == 6 and found.count("camera 1") == 1


def test_files_that_are_late_don_t_starve_a_camera(model: ModelAdapter) -> None:
    hand = Hand(engine_of(model, batch=1))
    for number in range(2):
        hand.join(number, 60)
        hand.feeds[number]._begun -= 10_000
    camera = ThreadedFeed(
        hand.engine.open(Live(2, 12), ASKS), lambda reports: iter(()), Reports(), Bell()
    )
    window = next(hand.engine.open(Live(2, 12), ASKS).ingest.windows(Reports()))
    camera._waiting = replace(window, received=monotonic() - 60)
    hand.scheduler.add(camera)
    served = [hand.step()[0].stream for _ in range(3)]
    assert "camera 2" in served
