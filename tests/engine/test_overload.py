"""Live streams that are more than the engine keeps up with are treated with less care, in order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from costream.control import LEVELS, USUAL
from costream.engine import overload
from costream.engine.engine import Engine
from costream.engine.overload import CALM, LOOK, MAX_CALM, OverloadGuard
from costream.engine.result import Confirmation
from costream.engine.runner import ModelRunner
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.video import Gap, Sample
from tests.fakes import FakeStream, noise_pictures, samples_of

SLACK = 3.0
"""Seconds that a busy machine may add to how late an answer is."""


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeSteering:
    """Notes to which levels a stream goes."""

    def __init__(self) -> None:
        self.level = 0
        self.reasons: list[str] = []

    def degrade(self, level: int, reason: str) -> None:
        self.level = level
        self.reasons.append(reason)


def feed_of(*, live: bool = True) -> SimpleNamespace:
    schedule = SimpleNamespace(stride=4, fps=2.0)
    watch = SimpleNamespace(
        info=SimpleNamespace(live=live), stream=SimpleNamespace(schedule=schedule)
    )
    return SimpleNamespace(watch=watch, steering=FakeSteering())


class Load:
    """An engine that is busy for a share of the time, whose windows are so many strides late."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.guard = OverloadGuard(self.clock)
        self.feeds = [feed_of(), feed_of(live=False)]

    def look(self, busy: float, late: float, held: float | None = None) -> int:
        """Lets a look's time pass, and returns the level then.

        Args:
            busy: share of the time.
            late: strides that a result came late.
            held: strides of them for which it was held back to be confirmed.
        """
        confirmation = None if held is None else Confirmation(1, 1, 100, waited=2.0 * held)
        result = SimpleNamespace(lag=2.0 * late, confirmation=confirmation)
        list(self.guard.noting([(self.feeds[0], result)]))  # type: ignore[list-item]
        self.guard.rest(lambda: self.pass_by((1 - busy) * LOOK))
        self.pass_by(busy * LOOK)
        self.guard.look(self.feeds)  # type: ignore[arg-type]
        return self.guard.level

    def pass_by(self, seconds: float) -> None:
        self.clock.now += seconds


def test_levels_rise_one_by_one_while_windows_are_late_and_the_engine_is_busy() -> None:
    load = Load()
    levels = [load.look(busy=1.0, late=1.5) for _ in range(LEVELS + 2)]
    assert levels == [*range(1, LEVELS), *[LEVELS - 1] * 3]
    camera, file = (feed.steering for feed in load.feeds)
    assert camera.level == LEVELS - 1
    assert len(camera.reasons) == LEVELS - 1
    assert "1.5 strides late" in camera.reasons[0]
    assert file.reasons == []


@pytest.mark.parametrize(("busy", "late"), [(0.5, 3.0), (1.0, 0.9), (0.95, 0.0)])
def test_late_windows_alone_or_a_busy_engine_alone_are_no_overload(
    busy: float, late: float
) -> None:
    load = Load()
    assert [load.look(busy, late) for _ in range(10)] == [0] * 10


def test_what_is_held_back_to_be_confirmed_is_late_on_purpose() -> None:
    load = Load()
    assert [load.look(busy=1.0, late=2.5, held=2.0) for _ in range(3)] == [0, 0, 0]
    assert load.look(busy=1.0, late=2.5, held=1.0) == 1


def test_all_is_as_before_within_a_minute_of_its_end() -> None:
    load = Load()
    for _ in range(10):
        load.look(busy=1.0, late=2.0)
    looks = 0
    while load.look(busy=0.3, late=0.2):
        looks += 1
    assert looks * LOOK < 60
    assert load.feeds[0].steering.level == 0
    assert "ends" in load.feeds[0].steering.reasons[-1]


def test_a_trial_that_failed_is_made_more_rarely_and_that_is_forgotten() -> None:
    load, rises = Load(), []
    for look in range(80):
        # At level 1 there is time to spare, at level 0 there is none.
        before = load.guard.level
        busy, late = (1.0, 1.5) if before == 0 else (0.4, 0.3)
        if load.look(busy, late) > before:
            rises.append(look)
    assert rises[1] - rises[0] == CALM + 1
    assert rises[-1] - rises[-2] == MAX_CALM + 1
    while load.look(0.2, 0.1):
        pass
    for _ in range(30):
        load.look(0.2, 0.1)
    load.look(1.0, 1.5)
    assert [load.look(0.2, 0.1) for _ in range(CALM)] == [1, 0]


def test_a_stream_that_comes_is_treated_as_the_others_are() -> None:
    load = Load()
    load.look(busy=1.0, late=1.5)
    load.feeds.append(feed_of())
    load.look(busy=0.8, late=0.5)
    assert load.feeds[-1].steering.level == 1


class Camera(FakeStream):
    """A camera without an end, in its own time."""

    def __init__(self, number: int) -> None:
        super().__init__(samples_of(noise_pictures(8)))
        self.info = replace(self.info, source=f"camera {number}", live=True, awaited=True)
        self.closed = False

    def samples(self, fps: float, **options: object) -> Iterator[Sample | Gap]:
        pictures = [sample.picture for sample in super().samples(fps)]
        begun = time.monotonic()
        tick = 0
        while not self.closed:
            wait = begun + tick / fps - time.monotonic()
            time.sleep(max(0.0, wait))
            now = time.monotonic()
            (sample,) = samples_of([pictures[tick % 8]], [tick], fps)
            yield replace(sample, received=now)
            # Whoever reads late skips what came meanwhile, as live sources do.
            present = int((time.monotonic() - begun) * fps)
            if present > tick + 1:
                yield Gap("skipped", tick / fps, present / fps, "late", present - tick - 1)
            tick = max(tick + 1, present)


def test_an_overloaded_engine_stays_near_the_present_and_recovers(
    model: ModelAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window takes so long that four cameras are twice what the engine keeps up with."""
    monkeypatch.setattr(overload, "LOOK", 0.4)
    stride, cameras, run = 0.4, 4, ModelRunner.run
    overloaded = True

    def slowly(self: ModelRunner, batch: object) -> object:
        time.sleep(len(batch.plans) * (2 * stride / cameras if overloaded else 0.001))  # type: ignore[attr-defined]
        return run(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(ModelRunner, "run", slowly)
    settings = EngineSettings(fps=10, window=2.4, stride=stride, frame_size=(128, 96))
    engine, streams = Engine(model, settings), [Camera(n) for n in range(cameras)]
    points, lags, begun = list[str](), list[float](), time.monotonic()
    with closing(engine.watch(streams, ["Is it?"])) as results:
        for result in results:
            assert result.lag is not None
            points.append(result.point)
            since = time.monotonic() - begun
            if since > 4:
                lags.append(result.lag)
            if since > 8:
                overloaded = False
            if not overloaded and result.point == "usual" and "stride x2" in " ".join(points):
                break
            assert since < 60
        for stream in streams:
            stream.closed = True
    # A busy machine may hide a level behind the next one: looks come as fast as windows here.
    stated = [str(USUAL.degraded(level)) for level in range(LEVELS)]
    seen = [stated.index(point) for point in dict.fromkeys(points)]
    assert seen == sorted(seen)
    assert seen[0] == 0 and max(seen) >= 2
    assert max(lags) < 6 * stride + SLACK
