"""Streams that join, leave and are asked other questions while others run."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costream.cli.connect import Connect
from costream.engine import bell
from costream.engine.engine import Engine
from costream.engine.feed import Feed, PulledFeed
from costream.engine.ingest import Reports
from costream.engine.questions import Questions
from costream.engine.result import Result
from costream.engine.scheduler import Scheduler
from costream.errors import SettingsError, SourceError
from costream.lab.synth import EncoderSettings, SyntheticCamera, encode
from costream.models import ModelAdapter
from costream.video import DeferredSource
from tests.engine.driving import run
from tests.engine.test_scheduler import ASKS, Absent, Live, Named, assert_same, engine_of
from tests.fakes import noise_pictures, samples_of

OTHERS = ["Is there smoke?", "Has a person fallen?", "Is it?"]
SOON = 20.0
"""Seconds in which what is waited for must have come, on a busy machine."""

few = settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Endless(Live):
    """A camera that goes on until it is closed."""

    def __init__(self, number: int = 0) -> None:
        super().__init__(number, 4)
        self.closed = threading.Event()
        self.sent = 0

    def samples(self, fps: float, **options: object) -> Iterator:
        pictures = samples_of(noise_pictures(4))
        while not self.closed.wait(0.005):
            sample = pictures[self.sent % 4]
            tick, self.sent = self.sent, self.sent + 1
            yield replace(sample, tick=tick, time=tick / fps, received=time.monotonic())

    def close(self) -> None:
        self.closed.set()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("costream")]


def assert_free(engine: Engine) -> None:
    """Nothing is left of what was watched."""
    until(lambda: not threads())
    engine.runner.pool.check_integrity([engine.runner.prompt.rows])
    assert not engine.runner._memories
    assert len(list(engine.watch(Named(1, 12), ASKS))) == 1


@few
@given(
    changes=st.lists(
        st.lists(st.sampled_from(ASKS + OTHERS), min_size=1, max_size=3, unique=True),
        min_size=2,
        max_size=8,
    )
)
def test_a_changed_question_gives_what_a_stream_asked_so_from_the_start_gives(
    any_model: ModelAdapter, changes: list[list[str]]
) -> None:
    engine = engine_of(any_model)
    fresh = {}
    for asks in map(tuple, changes):
        stream = Named(0, 12 + 4 * len(changes))
        watch = engine.open(stream, asks)
        fresh[asks] = [run(watch, window)[1] for window, _ in engine.windows(stream)]
        watch.close()
    stream = Named(0, 12 + 4 * len(changes))
    watch = engine.open(stream, ASKS)
    for number, (window, _) in enumerate(engine.windows(stream)):
        asks = changes[min(number, len(changes) - 1)]
        watch.ask(Questions(engine.model, asks, engine.settings))
        plan, logits = run(watch, window)
        assert logits.shape[0] == len(asks)
        assert (logits - fresh[tuple(asks)][number]).abs().max() < 1e-4
        assert not plan.rebased or number == 0


def test_streams_join_leave_and_are_asked_others_while_others_run(model: ModelAdapter) -> None:
    engine = engine_of(model)
    found: dict[object, list[Result]] = {}
    with engine.session() as session:
        first = session.add(Named(0, 60), ASKS)
        camera, left = Endless(2), Live(1, 60)
        endless, second = session.add(camera, ["Is it?"]), session.add(left, ASKS)
        for handle, result in session:
            found.setdefault(handle, []).append(result)
            if handle is first and result.index == 1:
                third = session.add(Named(3, 30), OTHERS)
            if handle is second and result.index == 2:
                threading.Thread(target=second.cancel).start()
            if handle is endless and result.index == 2:
                threading.Thread(target=endless.ask, args=(OTHERS,)).start()
            changed = any(r.asked_since for r in found.get(endless, []))
            if changed and first.ended and third.ended and not endless.cancelled:
                endless.cancel()
                session.finish()
        assert endless.wait(SOON) and second.wait(SOON)
        camera.close()
    alone = {first: Named(0, 60), second: Named(1, 60)}
    for handle, stream in alone.items():
        expected = list(engine_of(model).watch(stream, ASKS))
        assert_same(found[handle], expected[: len(found[handle])])
    assert len(found[first]) == 13 and 3 <= len(found[second]) < 13
    assert_same(found[third], list(engine_of(model).watch(Named(3, 30), OTHERS)))
    since = {r.asked_since for r in found[endless]}
    assert len(since) == 2 and min(since) == 0
    for result in found[endless]:
        asked = [answer.ask for answer in result.answers]
        assert asked == (OTHERS if result.asked_since else ["Is it?"])
        assert result.index >= result.asked_since
        assert result.to_dict()["asked_since"] == result.asked_since
    assert_free(engine)


def test_results_that_nobody_takes_hold_up_their_own_stream_alone(
    model: ModelAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever takes a result wakes the engine, which would otherwise look up only now and then.
    monkeypatch.setattr(bell, "_WAKE_EVERY", SOON)
    engine, begun = engine_of(model), time.monotonic()
    idle, busy = Endless(0), Named(1, 60)
    with engine.session(waiting=2) as session:
        ignored, taken = session.add(idle, ASKS), session.add(busy, ASKS)
        assert_same(list(taken), list(engine_of(model).watch(Named(1, 60), ASKS)))
        until(lambda: not ignored.has_room)
        sent = idle.sent
        time.sleep(0.3)
        # Two results, a window that waits, one that is held, and the samples of that one.
        assert len(ignored._results) == 2 and idle.sent == sent <= 12 + 4 * 4
        indices = [result.index for result, _ in zip(ignored, range(6), strict=False)]
        assert indices == list(range(6))
        idle.close()
    assert time.monotonic() - begun < SOON
    assert_free(engine)


def test_a_stream_whose_results_nobody_takes_makes_room_first(model: ModelAdapter) -> None:
    alone, stream = engine_of(model), Named(0, 12)
    alone.open(stream, ASKS).step(next(alone.windows(stream))[0])
    rows = 3 * alone.runner.pool.used
    engine = engine_of(model, kv_memory=rows * model.kv_shape.row_bytes)
    unwanted: list[Feed] = []
    scheduler = Scheduler(1, 1 << 30, lambda feed: feed not in unwanted)
    for number in range(6):
        watch = engine.open(Named(number, 40), ASKS)
        scheduler.add(PulledFeed(watch, watch.ingest.windows(Reports())))
        batch = scheduler.take()
        assert batch is not None
        served = [feed for feed, _ in scheduler.commit(engine.runner.run(batch))]
        assert served == scheduler.feeds[-1:]
        unwanted = unwanted or scheduler.feeds[:1]
        if scheduler.swaps:
            break
    # It is due first of all, so that it would be the last to make room if it were wanted.
    saved = [feed.watch.state.saved is not None for feed in scheduler.feeds]
    assert saved == [True] + [False] * (len(saved) - 1) and len(saved) > 2
    scheduler.close()


def test_a_stream_that_fails_is_raised_where_its_results_are_taken(
    model: ModelAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    engine = engine_of(model)
    with engine.session() as session:
        broken = session.add(Named(0, 14, SourceError("camera 0 stopped")), ASKS)
        whole = session.add(Named(1, 30), ASKS)
        assert len(list(whole)) == 6
        taken = []
        with pytest.raises(SourceError, match="camera 0 stopped"):
            taken.extend(broken)
        assert broken.ended and isinstance(broken.error, SourceError) and not whole.error
        refused = session.add(Named(2, 12), ASKS)
        assert len(list(refused)) == 1
    assert "camera 0 stopped" in caplog.text
    assert_free(engine)


def test_what_breaks_the_engine_is_raised_for_all_and_leaves_it_free(
    model: ModelAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(model)
    added = threading.Event()

    def broken(batch: object) -> None:
        assert added.wait(10)
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch, engine.session() as session:
        patch.setattr(engine.runner, "run", broken)
        handles = [session.add(Named(number, 30), ASKS) for number in range(2)]
        added.set()
        for handle in handles:
            with pytest.raises(RuntimeError, match="out of memory"):
                list(handle)
        with pytest.raises(RuntimeError, match="out of memory"):
            list(session)
        with pytest.raises(SettingsError, match="takes no further streams"):
            session.add(Named(2, 30), ASKS)
    assert_free(engine)


def test_questions_are_checked_where_they_are_asked(model: ModelAdapter) -> None:
    engine = engine_of(model)
    with engine.session() as session:
        assert len(list(session.add(Named(2, 12), ASKS))) == 1
        handle = session.add(Named(0, 30), ASKS)
        assert session._handles == [handle]
        with pytest.raises(SettingsError, match="there is no question"):
            handle.ask([])
        with pytest.raises(SettingsError, match="a question is empty"):
            session.add(Named(1, 30), [" "])
        assert [ask.text for ask in handle.asks] == ASKS
        assert len(list(handle)) == 6


def test_an_engine_serves_one_thread_or_session_at_a_time(model: ModelAdapter) -> None:
    engine = engine_of(model)
    with pytest.raises(SettingsError, match="at least 1 result"):
        engine.session(waiting=0)
    with engine.session():
        with pytest.raises(SettingsError, match="watching in another thread already"):
            list(engine.watch(Named(0, 12), ASKS))
        with pytest.raises(SettingsError, match="add the stream to the session"):
            engine.session()
    results = engine.watch(Named(0, 30), ASKS)
    next(results)
    with pytest.raises(SettingsError, match="make another engine"):
        engine.session()
    list(results)
    assert_free(engine)


def test_a_camera_that_is_absent_can_be_given_up(model: ModelAdapter) -> None:
    engine, absent = engine_of(model), Absent(0)
    with engine.session() as session:
        handle = session.add(absent, ASKS)
        assert not handle.wait(0.05)
        handle.cancel()
        assert handle.wait(SOON) and list(handle) == []
        absent.here.set()
        assert len(list(session.add(Named(1, 12), ASKS))) == 1
    assert_free(engine)


def test_asynchronously_the_results_are_the_same(model: ModelAdapter) -> None:
    async def watch(engine: Engine) -> list[Result]:
        streams = [Live(0, 30), Named(1, 30)]
        return [result async for result in engine.watch_async(streams, ASKS, waiting=1)]

    engine = engine_of(model)
    found = asyncio.run(watch(engine))
    for number in range(2):
        mine = [r for r in found if r.stream == f"camera {number}"]
        assert_same(mine, list(engine_of(model).watch(Named(number, 30), ASKS)))
    assert_free(engine)


def test_asynchronously_errors_come_last_and_questions_are_checked_first(
    model: ModelAdapter,
) -> None:
    engine, found = engine_of(model), []
    with pytest.raises(SettingsError, match="a question is empty"):
        engine.watch_async(Named(0, 30), [" "])

    async def watch() -> None:
        streams = [Named(0, 14, SourceError("camera 0 stopped")), Named(1, 30)]
        async for result in engine.watch_async(streams, ASKS):
            found.append(result.stream)

    with pytest.raises(SourceError, match="camera 0 stopped"):
        asyncio.run(watch())
    assert found.count("camera 1") == 6
    assert_free(engine)


@pytest.mark.parametrize("how", ["cancelled", "left", "broken"])
def test_an_asynchronous_watch_that_ends_leaves_nothing_behind(
    model: ModelAdapter, how: str
) -> None:
    engine, camera = engine_of(model), Endless()

    async def watch(begun: asyncio.Event) -> None:
        async with aclosing(engine.watch_async(camera, ASKS)) as results:
            async for result in results:
                begun.set()
                if how == "left" and result.index == 2:
                    break
                if how == "broken":
                    raise ValueError("the user's own")

    async def end() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(watch(begun))
        await asyncio.wait_for(begun.wait(), SOON)
        if how == "cancelled":
            task.cancel()
        error = {"cancelled": asyncio.CancelledError, "broken": ValueError}.get(how)
        if error is None:
            await task
        else:
            with pytest.raises(error):
                await task
        assert "costream-engine" not in threads()
        engine.runner.pool.check_integrity([engine.runner.prompt.rows])

    asyncio.run(end())
    camera.close()
    assert_free(engine)


def test_an_event_loop_is_never_kept_waiting(
    model: ModelAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a batch runs, and while the session closes behind it, the loop goes on."""
    engine = engine_of(model)
    quickly, longest = engine.runner.run, 0.0

    def slowly(batch: object) -> object:
        time.sleep(1.0)
        return quickly(batch)

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)

    async def watch() -> None:
        ticking = asyncio.create_task(tick())
        async with engine.session() as session:
            session.add(Named(0, 30), ASKS)
            async for _, result in session:
                if result.index == 1:
                    break
        await asyncio.sleep(0.02)
        ticking.cancel()

    with monkeypatch.context() as patch:
        patch.setattr(engine.runner, "run", slowly)
        asyncio.run(watch())
    assert 0 < longest < 0.7
    assert_free(engine)


def test_a_loop_that_was_closed_under_its_task_harms_no_other(model: ModelAdapter) -> None:
    engine = engine_of(model)
    with engine.session() as session:
        handle = session.add(Absent(0), ASKS)
        loop = asyncio.new_event_loop()

        async def forever() -> None:
            async for _ in handle:
                pass

        task = loop.create_task(forever())
        loop.run_until_complete(asyncio.sleep(0.01))
        task._log_destroy_pending = False
        loop.close()
        assert len(list(session.add(Named(1, 30), ASKS))) == 6
        handle.cancel()
    del task
    until(lambda: "costream-engine" not in threads())


def test_a_process_that_reads_is_gone_when_its_watch_is_cancelled(
    model: ModelAdapter, tmp_path: Path
) -> None:
    camera = SyntheticCamera(seed=1, width=160, height=96, fps=10)
    quick = EncoderSettings(preset="ultrafast")
    path = encode((camera.frame(n) for n in range(200)), tmp_path / "x.mp4", fps=10, settings=quick)
    engine = engine_of(model)
    with engine.session(waiting=1) as session:
        source = DeferredSource(
            Connect(str(path), False, "all", {"reach": "local"}), patience=0, backlog=4
        )
        with closing(engine.ingest(source)) as stream:
            handle = session.add(stream, ASKS)
            next(iter(handle))
            handle.cancel()
            assert handle.wait(SOON)
        assert stream._child.ended
    assert_free(engine)
