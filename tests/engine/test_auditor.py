"""Windows that are checked: what they are compared with, when they are run, and what is missed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from costream.audit import AuditReport, Judgement, cause_of
from costream.engine import auditor
from costream.engine.auditor import PENDING, AuditFeed
from costream.engine.bell import Bell
from costream.engine.engine import Engine
from costream.engine.feed import PulledFeed
from costream.engine.ingest import PastWindow, Reports, WindowInput
from costream.engine.result import Result
from costream.engine.row_shape import RowShape
from costream.engine.scheduler import Scheduler
from costream.errors import ForgottenError, SettingsError
from costream.models import ModelAdapter
from costream.video import Stream
from costream.video.packet_ring import RingLimits
from tests.engine.dusk import ASKS, scores, settings_of, source_of, watch_dusk, write_dusk
from tests.fakes import FakeStream, noise_pictures, samples_of

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dusk(tmp_path_factory.mktemp("clips") / "dusk.mp4")


def watched(
    model: ModelAdapter, clip: Path, **values: Any
) -> tuple[list[Result], list[AuditReport]]:
    reports = list[AuditReport]()
    return watch_dusk(model, clip, reports.append, **values), reports


@pytest.fixture(scope="module")
def steps(model: ModelAdapter, clip: Path) -> dict[str, np.ndarray]:
    """The scores with all savings, and as they are given up one after the other."""
    full = {"pruner": "none", "refresh": "full"}
    runs = {
        "cheap": watched(model, clip),
        "reuse": watched(model, clip, refresh="full"),
        "pruning": watched(model, clip, **full),
        "decoding": watched(model, clip, decode="all", **full),
    }
    return {name: scores(results) for name, (results, _) in runs.items()}


def test_answers_are_compared_with_those_of_full_recomputation(
    model: ModelAdapter, clip: Path, steps: dict[str, np.ndarray]
) -> None:
    results, reports = watched(model, clip, audit=1.0)
    # Neither pruning nor reuse nor what was not decoded is without a trace here.
    assert all(np.abs(np.diff([*steps.values()], axis=0)).max(axis=(1, 2)) > TOLERANCE)
    # What is answered is what is answered without.
    assert scores(results) == pytest.approx(steps["cheap"], abs=TOLERANCE)
    report = reports[-1]
    assert report.windows == report.checked == len(results) == 8
    assert report.cost == pytest.approx(1.0, rel=0.1)
    expected = np.abs(steps["cheap"] - steps["decoding"]).mean(axis=0)
    found = [question.difference for question in report.questions]
    assert found == pytest.approx(expected, abs=TOLERANCE)
    assert [question.ask for question in report.questions] == ASKS
    # One report a window, and one at the end.
    assert [one.windows for one in reports] == [*range(1, 9), 8]


def test_decisions_that_differ_are_told_with_their_cause(
    model: ModelAdapter, clip: Path, steps: dict[str, np.ndarray]
) -> None:
    cheap, full = steps["cheap"], steps["decoding"]
    causes = set[str]()
    for window, _ in enumerate(cheap):
        # A threshold between the cheap and the full score of one window.
        threshold = float((cheap[window, 0] + full[window, 0]) / 2)
        expected = list[str]()
        for n in range(len(cheap)):
            one, *others = (
                Judgement("", None, s, str(s >= threshold))
                for s in [a[n, 0] for a in steps.values()]
            )
            if one.decision != others[-1].decision:
                names = list(steps)[1:]
                expected.append(cause_of(one, dict(zip(names, others, strict=True))))
        assert expected
        if set(expected) <= causes:
            continue
        causes |= set(expected)
        _, reports = watched(model, clip, audit=1.0, thresholds={ASKS[0]: threshold})
        first, second = reports[-1].questions
        assert first.flips == len(expected)
        assert first.causes == {cause: expected.count(cause) for cause in set(expected)}
        assert first.share == first.bounds.low == first.bounds.high == len(expected) / 8
        assert second.flips == 0
        assert reports[-1].share == pytest.approx(len(expected) / 16)
    assert causes


def test_a_share_of_windows_is_drawn_and_the_draws_are_the_stream_s_own(
    model: ModelAdapter, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The draws follow from the source's name, which must not be that of a folder made for this run.
    monkeypatch.chdir(clip.parent)
    _, reports = watched(model, Path(clip.name), audit=0.3, seed=3)
    _, again = watched(model, Path(clip.name), audit=0.3, seed=3)
    assert reports == again
    assert 0 < reports[-1].checked < 8 == reports[-1].windows
    assert reports[-1].bounds.high > reports[-1].bounds.low


def test_windows_whose_packets_are_gone_are_missed(model: ModelAdapter, clip: Path) -> None:
    results, reports = watched(model, clip, audit=1.0, keep=RingLimits(1, 1000))
    assert len(results) == 8
    report = reports[-1]
    assert (report.windows, report.checked, report.missed) == (8, 0, 8)
    assert (report.bounds.low, report.bounds.high) == (0, 1)


def test_windows_that_the_pool_has_no_room_for_are_missed(
    model: ModelAdapter, clip: Path, steps: dict[str, np.ndarray]
) -> None:
    # Enough for windows as they are pruned, and not for one of 6 whole temporal patches.
    rows = 230 * RowShape(model.kv_shape, packed=False).bytes
    results, reports = watched(model, clip, audit=1.0, kv_memory=rows)
    assert scores(results) == pytest.approx(steps["cheap"], abs=TOLERANCE)
    assert reports[-1].missed > 0
    assert reports[-1].checked + reports[-1].missed == 8


def test_a_window_that_differs_by_much_has_the_stream_computed_anew(
    model: ModelAdapter, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, _ = watched(model, clip, audit=1.0)
    assert [result.rebased for result in results] == [True, *[False] * 7]
    monkeypatch.setattr(auditor, "DISAGREES", TOLERANCE / 10)
    results, reports = watched(model, clip, audit=1.0)
    assert all(result.rebased for result in results)
    assert reports[-1].questions[0].difference > TOLERANCE


def test_a_stream_that_keeps_nothing_is_refused(model: ModelAdapter, clip: Path) -> None:
    engine = Engine(model, settings_of(audit=0.5))
    for source in (source_of(clip, None), Stream(clip)):
        with pytest.raises(SettingsError, match="keeps no packets"):
            engine.watch(source, ASKS)
        source.close()


class Live(FakeStream):
    """A camera, as far as the scheduler knows."""

    def __init__(self, ticks: int) -> None:
        super().__init__(samples_of(noise_pictures(ticks)))
        self.info = replace(self.info, live=True)


class Bench:
    """A scheduler with one camera whose windows come when they are let in, and are all checked."""

    def __init__(self, model: ModelAdapter) -> None:
        self.engine = Engine(model, settings_of(audit=1.0))
        self.scheduler = Scheduler(4096, 1 << 30)
        stream = Live(100)
        watch = self.engine.open(stream, ASKS)
        self.windows = list(watch.ingest.windows(Reports()))
        self.arrived = 0
        self.wanted = list[PastWindow]()
        self.bell, self.gone = Bell(), False
        self.reports = list[AuditReport]()
        self.feed = _OnDemandFeed(watch, self._windows())
        self.feed.audit = AuditFeed(self.feed, 1.0, 0, self._recall, self.bell, self.reports.append)
        self.scheduler.add(self.feed)

    def step(self) -> str | None:
        """Runs what is due; says whose it was."""
        batch = self.scheduler.take()
        if batch is None:
            return None
        results = list(self.scheduler.commit(self.engine.runner.run(batch)))
        return "window" if results else "audit"

    def recalled(self) -> None:
        """Waits until a window of the past is there."""
        self.bell.wait(len(self.wanted) - 1)

    def _windows(self) -> Iterator[WindowInput | None]:
        for number, window in enumerate(self.windows):
            while self.arrived <= number:
                yield None
            yield window

    def _recall(self, past: PastWindow) -> WindowInput:
        self.wanted.append(past)
        if self.gone:
            raise ForgottenError("gone")
        frames = [frame for window in self.windows for frame in window.frames]
        inside = tuple(f for f in frames if past.start <= f.ticks[0] < past.end)
        return replace(self.windows[past.index], frames=inside)


class _OnDemandFeed(PulledFeed):
    """Has a window when one has arrived, and is not at its end meanwhile."""

    def peek(self) -> WindowInput | None:
        if self._waiting is None:
            self._waiting = next(self._windows)
        return self._waiting


def test_windows_that_are_due_come_before_those_that_are_checked(model: ModelAdapter) -> None:
    bench = Bench(model)
    bench.arrived = 1
    assert bench.step() == "window"
    bench.recalled()
    bench.arrived = 3
    assert [bench.step() for _ in range(3)] == ["window", "window", "audit"]
    bench.recalled()
    # The second of the three waited as well; the third was one too many.
    assert bench.step() == "audit"
    assert bench.step() is None
    report = bench.reports[-1]
    assert (report.windows, report.checked, report.missed) == (3, PENDING, 3 - PENDING)


def test_a_window_that_never_finds_room_is_given_up(model: ModelAdapter) -> None:
    bench = Bench(model)
    bench.arrived = 20
    assert [bench.step() for _ in range(20)] == ["window"] * 20
    report = bench.feed.audit.report()
    assert report.checked == 0
    assert 17 <= report.missed == report.windows < 20


def test_a_live_window_that_is_gone_is_missed_and_the_next_is_checked(model: ModelAdapter) -> None:
    bench = Bench(model)
    bench.arrived, bench.gone = 1, True
    assert bench.step() == "window"
    bench.recalled()
    assert bench.step() is None
    bench.arrived, bench.gone = 2, False
    assert bench.step() == "window"
    bench.recalled()
    assert bench.step() == "audit"
    report = bench.reports[-1]
    assert (report.windows, report.checked, report.missed) == (2, 1, 1)
    bench.scheduler.close()
    assert bench.engine.runner.pool.used == bench.engine.runner.prompt.tokens
