"""Videos that are asked about as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from costream.engine.engine import Engine
from costream.engine.feed import Feed
from costream.engine.reply import Reply
from costream.engine.scheduler import Scheduler
from costream.engine.whole_video import VideoHandle, whole_schedule
from costream.errors import NoWindowError, SettingsError, SourceError
from costream.lab.synth import EncoderSettings, SyntheticCamera, encode
from costream.models import ModelAdapter
from costream.video import DeferredSource, Sample, Stream
from tests.engine.camera_file import Connect
from tests.engine.inquiring import Stock, assert_stock, unpruned
from tests.engine.test_replies import DRAWN, QUESTION
from tests.engine.test_scheduler import ASKS, Named, assert_same, engine_of, pulled
from tests.engine.test_session import SOON, assert_free
from tests.fakes import FakeStream, noise_pictures, samples_of


class Video(FakeStream):
    """A video that is sampled at the rate that it is asked for."""

    def __init__(self, seconds: float, *, known: bool = True, error: Exception | None = None):
        super().__init__(samples_of(noise_pictures(1)))
        self.seconds = seconds
        self.fps = 0.0
        self.info = replace(self.info, duration=seconds if known else None)
        self._error = error

    def samples(self, fps: float, *, on_frame: object = None) -> Iterator[Sample]:
        self.fps = fps
        self.pictures = noise_pictures(math.ceil(self.seconds * fps))
        yield from samples_of(self.pictures, fps=fps)
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize("seconds", [1.5, 6, 8.5, 17])
def test_the_stock_model_s_reply_to_all_of_it(
    model: ModelAdapter, checkpoint: Path, seconds: float
) -> None:
    video = Video(seconds)
    with unpruned(model).session() as session:
        reply = session.add_video(video).inquire(QUESTION, max_tokens=3, likeliest=1)
        assert_stock(reply, Stock(checkpoint), video.pictures)
    assert reply.sight is not None
    assert (reply.sight.start, reply.sight.frames) == (0, len(video.pictures))
    assert reply.sight.end == pytest.approx(seconds, abs=0.5)


def test_a_video_that_is_too_long_is_sampled_evenly_and_the_stock_model_sees_the_same(
    model: ModelAdapter, checkpoint: Path
) -> None:
    video = Video(60)
    engine = unpruned(model)
    engine.runner.pool.limit = 2 * 300
    with engine.session() as session:
        reply = session.add_video(video).inquire(QUESTION, max_tokens=3, likeliest=1)
        reply.read()
        assert video.fps < 1
        assert_stock(reply, Stock(checkpoint), video.pictures, fps=video.fps)
    assert reply.sight is not None
    assert (reply.sight.start, reply.sight.fps) == (0, video.fps)
    assert reply.sight.end == pytest.approx(60, abs=1 / video.fps)
    assert 200 < reply.sight.cached_tokens <= 330


@pytest.mark.parametrize("seconds", [0.1, 3, 100, 3600, 1e6])
@pytest.mark.parametrize("rows", [None, 1000, 5000])
def test_a_schedule_fits_the_context_and_the_rows(
    any_model: ModelAdapter, seconds: float, rows: int | None
) -> None:
    engine, info = engine_of(any_model), Video(seconds).info
    schedule = whole_schedule(any_model, engine.schedule, info, None, rows)
    geometry = any_model.geometry(info.width, info.height, schedule.window, None)
    tokens = schedule.window // schedule.patch * geometry.grid.groups
    assert tokens <= min(any_model.context, rows or any_model.context)
    assert schedule.window % schedule.patch == schedule.stride % schedule.patch == 0
    assert seconds * schedule.fps <= schedule.window
    if schedule.fps < 2:
        assert tokens > 0.5 * min(any_model.context, rows or any_model.context)


def test_there_must_be_room_for_one_frame(model: ModelAdapter) -> None:
    with pytest.raises(SettingsError, match="not even one frame"):
        whole_schedule(model, engine_of(model).schedule, Video(3).info, None, 2)


def test_of_a_video_without_a_length_the_oldest_frames_leave(model: ModelAdapter) -> None:
    video, engine = Video(60, known=False), engine_of(model)
    engine.runner.pool.limit = 2 * 300
    with engine.session() as session:
        reply = session.add_video(video).inquire(QUESTION, max_tokens=2, **DRAWN)
        reply.read()
    assert video.fps == 2
    assert reply.sight is not None
    assert reply.sight.end == 60 and 40 < reply.sight.start < 60


class ByHand:
    """A video, driven by hand."""

    def __init__(self, engine: Engine, video: Video) -> None:
        self.engine = engine
        self.roster = engine._roster(lasting=True)
        self.handle = self.roster.video()
        self.roster.add(video, self.handle)
        self.scheduler = Scheduler(engine.settings.batch, 1 << 30)
        self.batches = 0

    @property
    def feed(self) -> Feed:
        (feed,) = self.scheduler.feeds
        return feed

    def ask(self) -> Reply:
        """Runs the engine's loop until a reply is there."""
        reply = self.handle.inquire(QUESTION, max_tokens=4, **DRAWN)
        while not reply.ended:
            assert self.roster.update(self.scheduler)
            batch = self.scheduler.take()
            if batch is not None:
                self.batches += 1
                list(self.scheduler.commit(self.engine.runner.run(batch)))
            if not self.roster.write(self.scheduler) and batch is None:
                self.roster.wait(self.scheduler)
        return reply


def test_further_questions_cost_only_themselves(model: ModelAdapter) -> None:
    hand = ByHand(engine_of(model), Video(9))
    first, batches, used = hand.ask(), hand.batches, hand.engine.runner.pool.used
    second = hand.ask()
    assert batches == 5
    assert (hand.batches, hand.engine.runner.pool.used) == (batches, used)
    assert first.sight == second.sight and first.read() == second.read() != ""


@pytest.mark.parametrize("keys", [True, False])
def test_a_video_that_made_room_is_back_when_it_is_asked_about(
    model: ModelAdapter, keys: bool
) -> None:
    hand = ByHand(engine_of(model), Video(9))
    first, batches, used = hand.ask(), hand.batches, hand.engine.runner.pool.used
    hand.feed.watch.state.swap_out(keys=keys)
    assert hand.engine.runner.pool.used < used
    second = hand.ask()
    assert hand.batches == batches + 1
    assert first.sight == second.sight and first.read() == second.read() != ""
    hand.ask()
    assert hand.batches == batches + 1


def test_it_is_the_first_to_make_room(model: ModelAdapter) -> None:
    hand = ByHand(engine_of(model), Video(9))
    hand.ask()
    cameras = [pulled(hand.engine.open(Named(number, 40), ASKS)) for number in range(2)]
    for camera in cameras:
        hand.scheduler.add(camera)
    batch = hand.scheduler.take()
    assert batch is not None
    list(hand.scheduler.commit(hand.engine.runner.run(batch)))
    while not hand.scheduler.swaps:
        assert hand.scheduler._make_room(cameras[0])
    saved = [feed.watch.state.saved is not None for feed in hand.scheduler.feeds]
    assert saved == [True, False, False]
    hand.scheduler.close()


def test_cameras_give_what_they_give_alone(model: ModelAdapter) -> None:
    engine = engine_of(model)
    with engine.session() as session:
        video = session.add_video(Video(30))
        camera = session.add(Named(0, 30), ASKS)
        reply = video.inquire(QUESTION, max_tokens=3, **DRAWN)
        found = list(camera)
        assert reply.read() != ""
        assert video.last is not None and video.last.end == 30
    assert_same(found, list(engine_of(model).watch(Named(0, 30), ASKS)))
    assert_free(engine)


def test_what_is_wrong_with_a_video_is_told_to_who_asks(model: ModelAdapter) -> None:
    engine = engine_of(model)
    with engine.session() as session:
        broken = session.add_video(Video(4, error=SourceError("the file is torn")))
        with pytest.raises(SourceError, match="torn"):
            broken.inquire(QUESTION).read()
        left = session.add_video(Video(4))
        left.inquire(QUESTION, max_tokens=1).read()
        left.cancel()
        assert left.wait(SOON)
        with pytest.raises(NoWindowError, match="has ended"):
            left.inquire(QUESTION).read()
    assert_free(engine)


def test_a_process_may_read_it(model: ModelAdapter, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    camera = SyntheticCamera(seed=1, width=320, height=192, fps=10)
    encode((camera.frame(n) for n in range(90)), path, fps=10, settings=EncoderSettings())
    # The scripted rule is known to this process alone.
    engine = unpruned(model, pruner="none")

    def ask(handle: VideoHandle) -> str:
        return handle.inquire(QUESTION, max_tokens=4, **DRAWN).read()

    with (
        closing(engine.ingest(DeferredSource(Connect(path), patience=0, backlog=4))) as process,
        Stream(path, motion=False) as stream,
        engine.session() as session,
    ):
        assert ask(session.add_video(process)) == ask(session.add_video(stream)) != ""
