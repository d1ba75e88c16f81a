"""Answers that turn to yes: they are told once full recomputation says so, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from costream.engine import confirmation
from costream.engine.asks import Ask
from costream.engine.bell import Bell
from costream.engine.confirmation import ConfirmingFeed, Levels
from costream.engine.engine import Engine
from costream.engine.feed import PulledFeed
from costream.engine.ingest import FrameInput, PastWindow, ReadingCost, Reports, WindowInput
from costream.engine.result import Answer, Result
from costream.engine.row_shape import RowShape
from costream.engine.scheduler import Scheduler
from costream.errors import ForgottenError, PoolExhaustedError, SettingsError
from costream.models import ModelAdapter
from costream.video import Stream
from costream.video.packet_ring import RingLimits
from tests.engine.dusk import ASKS, scores, settings_of, watch_dusk, write_dusk
from tests.fakes import FakeStream, noise_pictures, samples_of

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dusk(tmp_path_factory.mktemp("clips") / "dusk.mp4")


@pytest.fixture(scope="module")
def cheap(model: ModelAdapter, clip: Path) -> list[Result]:
    return watch_dusk(model, clip)


@pytest.fixture(scope="module")
def full(model: ModelAdapter, clip: Path) -> list[Result]:
    return watch_dusk(model, clip, decode="all", pruner="none", refresh="full")


def told(cheap: np.ndarray, full: np.ndarray, threshold: float) -> tuple[list[float], list[int]]:
    """Returns what is told of one question, and of which windows full recomputation is asked."""
    found, asked, before = list[float](), list[int](), False
    for number, (one, whole) in enumerate(zip(cheap, full, strict=True)):
        rises = bool(one >= threshold and not before)
        asked += [number] * rises
        found.append(float(whole if rises else one))
        before = found[-1] >= threshold
    return found, asked


def test_an_answer_turns_to_yes_once_full_recomputation_says_so(
    model: ModelAdapter, clip: Path, cheap: list[Result], full: list[Result]
) -> None:
    ours, theirs = scores(cheap)[:, 0], scores(full)[:, 0]
    outcomes = set[bool]()
    # Between the scores of one window, and on either side of them.
    for threshold in sorted({*(ours + theirs) / 2, ours.min() - 0.01}):
        expected, asked = told(ours, theirs, threshold)
        thresholds = {ASKS[0]: float(threshold), ASKS[1]: 1.0}
        results = watch_dusk(model, clip, confirm=True, thresholds=thresholds)
        assert scores(results)[:, 0] == pytest.approx(expected, abs=TOLERANCE)
        assert scores(results)[:, 1] == pytest.approx(scores(cheap)[:, 1], abs=TOLERANCE)
        assert [result.index for result in results] == [result.index for result in cheap]
        assert [n for n, result in enumerate(results) if result.confirmation] == asked
        for number in asked:
            found = results[number].confirmation
            assert found is not None and found.risen == 1
            assert found.upheld == (theirs[number] >= threshold)
            assert found.tokens == results[number].tokens.full
            spent = results[number].flops.spent - cheap[number].flops.spent
            assert spent == pytest.approx(results[number].flops.full, rel=0.03)
            outcomes.add(bool(found.upheld))
    assert outcomes == {True, False}


def test_a_no_of_full_recomputation_has_the_stream_computed_anew(
    model: ModelAdapter, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thresholds = {ASKS[0]: 0.0, ASKS[1]: 1.0}
    results = watch_dusk(model, clip, confirm=True, thresholds=thresholds)
    assert [result.rebased for result in results] == [True, *[False] * 7]
    monkeypatch.setattr(confirmation, "DISAGREES", -1.0)
    results = watch_dusk(model, clip, confirm=True, thresholds=thresholds)
    assert [result.rebased for result in results] == [True, True, *[False] * 6]


@pytest.mark.parametrize("lack", ["packets", "room"])
def test_what_cannot_be_confirmed_is_told_as_it_is(
    model: ModelAdapter, clip: Path, cheap: list[Result], lack: str
) -> None:
    # Enough for windows as they are pruned, and not for one of 6 whole temporal patches.
    room = 230 * RowShape(model.kv_shape, packed=False).bytes
    limits = {"keep": RingLimits(1, 1000)} if lack == "packets" else {"kv_memory": room}
    # The first window is whole itself: what rises is a later one.
    ours = scores(cheap)[:, 0]
    threshold = float(np.sort(ours)[-2] + ours.max()) / 2
    results = watch_dusk(
        model, clip, confirm=True, thresholds={ASKS[0]: threshold, ASKS[1]: 1.0}, **limits
    )
    assert scores(results) == pytest.approx(scores(cheap), abs=TOLERANCE)
    (found,) = [result.confirmation for result in results if result.confirmation]
    assert (found.risen, found.upheld, found.tokens) == (1, None, 0)


def test_checks_and_confirmations_go_together(
    model: ModelAdapter, clip: Path, cheap: list[Result]
) -> None:
    results = watch_dusk(model, clip, confirm=True, audit=1.0, threshold=0.0)
    assert len(results) == len(cheap)
    assert [bool(result.confirmation) for result in results] == [True, *[False] * 7]


def test_a_stream_that_keeps_nothing_is_refused(model: ModelAdapter, clip: Path) -> None:
    engine = Engine(model, settings_of(confirm=True))
    with Stream(clip) as source, pytest.raises(SettingsError, match="keeps no packets"):
        engine.watch(source, ASKS)


def test_an_answer_rises_where_it_reaches_a_level_that_the_one_before_did_not() -> None:
    asks = [Ask("Is it?", levels=(0.3, 0.8)), Ask("Is it?", "door")]
    levels = Levels()

    def risen(*scores: float) -> list[int]:
        pairs = zip(asks, scores, strict=True)
        answers = [Answer(ask.text, score, zone=ask.zone) for ask, score in pairs]
        found = levels.risen(asks, answers)
        levels.tell(asks, answers)
        return found

    assert risen(0.2, 0.2) == []
    assert risen(0.4, 0.4) == [0]
    assert risen(0.6, 0.6) == [0, 1]
    assert risen(0.7, 0.7) == []
    assert risen(0.9, 0.9) == [0]
    assert risen(0.6, float("nan")) == []
    assert risen(0.6, 0.6) == [1]
    asks.reverse()  # Asked otherwise, the same questions are where they were.
    assert risen(0.6, 0.6) == []
    # Somebody wants to be alerted from another score on, which was not reached.
    asks[0] = Ask("Is it?", "door", levels=(0.9,))
    assert risen(0.6, 0.6) == []
    assert risen(0.95, 0.6) == [0]
    asks[0] = Ask("Is it?", "door")
    assert risen(0.4, 0.6) == [] and risen(0.95, 0.6) == [0]


class Camera:
    """A scheduler with one live camera; all answers are a yes.

    Args:
        model: the model.
        ticks: sampled frames.
        left_out: windows that don't come, since the camera was away.
    """

    def __init__(self, model: ModelAdapter, ticks: int = 40, left_out: range = range(0)) -> None:
        self.engine = Engine(model, settings_of(confirm=True, threshold=0.0))
        self.scheduler = Scheduler(4096, 1 << 30)
        stream = FakeStream(samples_of(noise_pictures(ticks)))
        stream.info = replace(stream.info, live=True)
        watch = self.engine.open(stream, ASKS)
        windows = list(watch.ingest.windows(Reports()))
        self._frames = [frame for window in windows for frame in window.frames]
        self.windows = [
            replace(w, frames=self._between(w.start, w.end)) if w.index == left_out.stop else w
            for w in windows
            if w.index not in left_out
        ]
        self.wanted = list[PastWindow]()
        self.bell, self.gone = Bell(), False
        self.feed = PulledFeed(watch, iter(self.windows))
        self.feed.confirmation = ConfirmingFeed(self.feed, self._recall, self.bell)
        self.scheduler.add(self.feed)

    def step(self) -> list[Result]:
        """Does what the main loop does, once."""
        batch = self.scheduler.take()
        outputs = [] if batch is None else self.engine.runner.run(batch)
        return [result for _, result in self.scheduler.commit(outputs)]

    def results(self) -> Iterator[Result]:
        """Yields what is told until the stream has ended."""
        while self.scheduler.feeds:
            rings = self.bell.rings
            found = self.step()
            yield from found
            if not found and self.feed.confirmation.holds:
                self.bell.wait(rings)

    def _recall(self, past: PastWindow) -> WindowInput:
        self.wanted.append(past)
        if self.gone:
            raise ForgottenError("gone")
        inside = self._between(past.start, past.end)
        return WindowInput(past.index, past.start, past.end, inside, None, ReadingCost(), 0.0)

    def _between(self, start: int, end: int) -> tuple[FrameInput, ...]:
        return tuple(frame for frame in self._frames if start <= frame.ticks[0] < end)


def test_a_live_stream_waits_for_what_is_confirmed_and_no_longer(model: ModelAdapter) -> None:
    camera = Camera(model)
    assert camera.step() == []
    camera.bell.wait(0)
    # Before the camera's next window, which waits already.
    (first,) = camera.step()
    assert first.index == 0 and first.confirmation is not None
    assert first.confirmation.upheld == 2 and first.confirmation.waited > 0
    (second,) = camera.step()
    assert second.index == 1 and second.confirmation is None
    assert [result.index for result in camera.results()] == [w.index for w in camera.windows[2:]]
    assert len(camera.wanted) == 1
    assert camera.engine.runner.pool.used == camera.engine.runner.prompt.tokens


def test_a_live_window_that_is_gone_is_told_at_once(model: ModelAdapter) -> None:
    camera = Camera(model)
    camera.gone = True
    results = list(camera.results())
    assert [result.index for result in results] == [window.index for window in camera.windows]
    assert results[0].confirmation is not None and results[0].confirmation.upheld is None


def test_a_live_window_that_takes_too_long_is_told_as_it_is(
    model: ModelAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = Camera(model)
    assert camera.step() == []
    camera.bell.wait(0)
    monkeypatch.setattr(confirmation, "LATEST", 0.0)
    (first,) = camera.step()
    assert first.index == 0 and first.confirmation is not None
    assert first.confirmation.upheld is None
    assert [result.index for result in camera.results()] == [w.index for w in camera.windows[1:]]


def test_where_the_pool_is_too_small_nobody_is_moved_out_for_another_try(
    model: ModelAdapter,
) -> None:
    camera = Camera(model, ticks=80, left_out=range(4, 9))
    assert camera.step() == []
    camera.bell.wait(0)
    assert camera.feed.confirmation.outlives(PoolExhaustedError("too small"))
    results = list(camera.results())
    missed = [result.index for result in results if result.confirmation]
    assert missed == [0, 9] and len(camera.wanted) == 1
    assert all(r.confirmation.upheld is None for r in results if r.confirmation)


def test_once_a_camera_was_away_a_yes_is_confirmed_anew(model: ModelAdapter) -> None:
    camera = Camera(model, ticks=80, left_out=range(4, 9))
    results = list(camera.results())
    assert [result.index for result in results] == [*range(4), *range(9, 18)]
    assert [result.index for result in results if result.confirmation] == [0, 9]
    assert [past.index for past in camera.wanted] == [0, 9]


def test_a_stream_that_is_left_while_it_waits_leaves_nothing_behind(model: ModelAdapter) -> None:
    camera = Camera(model)
    assert camera.step() == []
    camera.bell.wait(0)
    assert camera.feed.confirmation.peek() is not None
    camera.scheduler.remove(camera.feed)
    assert camera.step() == []
    assert camera.engine.runner.pool.used == camera.engine.runner.prompt.tokens
