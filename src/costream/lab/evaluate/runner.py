"""Runs policies over the videos of a set: each video is read once for all policies in step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

from costream.engine.engine import Engine
from costream.engine.ingest import ReadingCost
from costream.engine.result import Result
from costream.engine.schedule import Tubelet, Window
from costream.errors import SourceError
from costream.lab.evaluate.datasets import Dataset, Video
from costream.lab.evaluate.origin import Origin
from costream.lab.evaluate.policies import (
    CONFIRMED,
    DEFAULT,
    POLICIES,
    REFERENCE,
    Budget,
    Policy,
)
from costream.lab.evaluate.results import Job, ResultStore, VideoResult, WindowResult
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.video import Decoding, Stream

DEFAULT_RATE = 30.0
"""Frames a second of a video whose container states none: that of UCF-Crime's."""

OnVideo = Callable[[str, int, int], None]
"""Told of each video that is done: what of, how many are done, of how many."""


class Side(Protocol):
    """One policy on one stream."""

    def step(self, window: Window, reading: ReadingCost) -> Result:
        """Answers the questions on the next window."""


class AnewSide:
    """Answers every window as if it were the first: all its frames are encoded and prefilled.

    Args:
        engine: with the policy's settings.
        stream: the stream.
        asks: the questions.
    """

    def __init__(self, engine: Engine, stream: Stream, asks: Sequence[str]) -> None:
        self._engine = engine
        self._stream = stream
        self._asks = asks
        self._tubelets: list[Tubelet] = []

    def step(self, window: Window, reading: ReadingCost) -> Result:
        """Answers the questions on the window from nothing."""
        held = [tubelet for tubelet in self._tubelets if tubelet.tick >= window.start]
        self._tubelets = [*held, *window.arrivals]
        whole = Window(window.index, window.start, window.end, tuple(self._tubelets))
        return self._engine.open(self._stream, self._asks).step(whole, reading)


@dataclass(frozen=True, slots=True)
class Task:
    """A policy with what it is run with.

    Attributes:
        policy: the policy.
        settings: its settings.
        decode: which pictures are decoded for it.
    """

    policy: Policy
    settings: EngineSettings
    decode: Decoding

    @classmethod
    def of(
        cls, policy: Policy, base: EngineSettings, budget: Budget | None, decode: Decoding
    ) -> Task:
        """Returns what a policy is run with where these pictures are decoded.

        Full recomputation decodes all: it is what others are compared with.
        """
        chosen: Decoding = "all" if policy.from_scratch else decode
        return cls(policy, policy.settings(base, budget), chosen)

    @property
    def name(self) -> str:
        """The policy's name, and what is decoded where that isn't all."""
        name = self.policy.name
        return name if self.decode == "all" else f"{name} ({self.decode})"

    @property
    def reading(self) -> tuple[float, float, float, bool, Decoding]:
        """What the frames and windows depend on: tasks that agree in it are read for at once."""
        s = self.settings
        return s.fps, s.window, s.stride, s.uses_motion, self.decode


class Runner:
    """Runs policies over a set with one model.

    Args:
        model: the model.
        name: its name, which results are filed under.
        dataset: the videos and questions.
        store: what was measured already, and where to put what is measured.
        on_video: told of every video that is done.

    Raises:
        SettingsError: what is kept can't be used.
        OSError: it can't be read.
    """

    def __init__(
        self,
        model: ModelAdapter,
        name: str,
        dataset: Dataset,
        store: ResultStore,
        on_video: OnVideo = lambda what, done, of: None,
    ) -> None:
        self._model = model
        self._origin = Origin.of(model, name)
        store.take_up(self._origin)
        self._dataset = dataset
        self._store = store
        self._on_video = on_video
        self._asks = tuple(dataset.questions.values())
        self.problems: list[str] = list(dataset.problems)

    def run(
        self, policies: Sequence[Policy], base: EngineSettings, decode: Decoding = "all"
    ) -> dict[str, dict[str, VideoResult]]:
        """Measures what is not measured yet.

        Args:
            policies: those to run, the default one among them where one has its budget, and full
                recomputation as well where one confirms its answers.
            base: settings that the policies start from.
            decode: which pictures are decoded, for all but full recomputation, which decodes all.

        Returns:
            Policy to video's name to result. A video that can't be read is left out, and
            :attr:`problems` says why.
        """
        # What is kept is what the model said: scores are calibrated where they are rated.
        base = base.model_copy(update={"calibration": {}})
        measured = [policy for policy in policies if not policy.confirms]
        free = [Task.of(p, base, None, decode) for p in measured if p.fit is None]
        self._measure(free)
        fitted = [p for p in measured if p.fit is not None]
        if fitted:
            budget = self._budget(base, decode)
            tasks = [Task.of(policy, base, budget, decode) for policy in fitted]
            self._measure(tasks)
            free += tasks
        done = {task.policy.name: self._results(task) for task in free}
        if len(measured) < len(policies):
            done[CONFIRMED] = _confirmed(done[DEFAULT], done[REFERENCE])
        return {policy.name: done[policy.name] for policy in policies}

    def _results(self, task: Task) -> dict[str, VideoResult]:
        jobs = {video.name: self._job(video, task) for video in self._dataset.videos}
        return {name: self._store[job] for name, job in jobs.items() if job in self._store}

    def _measure(self, tasks: Sequence[Task]) -> None:
        videos = self._dataset.videos
        for number, video in enumerate(videos, 1):
            missing = [t for t in tasks if self._job(video, t) not in self._store]
            ordered = sorted(missing, key=lambda task: task.reading)
            try:
                for _, group in groupby(ordered, key=lambda task: task.reading):
                    self._watch(video, list(group))
            except SourceError as error:
                self._report(f"{video.name} is left out: {error}")
            self._on_video(", ".join(task.name for task in tasks), number, len(videos))

    def _watch(self, video: Video, tasks: Sequence[Task]) -> None:
        motion = tasks[0].settings.uses_motion
        with Stream(video.path, motion=motion, decode=tasks[0].decode) as stream:
            engines = [Engine(self._model, task.settings) for task in tasks]
            sides = [self._side(t, e, stream) for t, e in zip(tasks, engines, strict=True)]
            found: list[list[WindowResult]] = [[] for _ in tasks]
            for window, reading in engines[0].windows(stream):
                for side, windows in zip(sides, found, strict=True):
                    result = side.step(window, reading)
                    windows.append(WindowResult.of(result, window.start / tasks[0].settings.fps))
            if not found[0]:
                raise SourceError(f"{stream.info.source} holds no frame")
            rate = stream.info.frame_rate or DEFAULT_RATE
            decoding = stream.health.decoding
        for task, windows in zip(tasks, found, strict=True):
            self._store.add(self._job(video, task), VideoResult(rate, tuple(windows), decoding))

    def _side(self, task: Task, engine: Engine, stream: Stream) -> Side:
        if task.policy.from_scratch:
            return AnewSide(engine, stream, self._asks)
        return engine.open(stream, self._asks)

    def _job(self, video: Video, task: Task) -> Job:
        size = video.path.stat().st_size if video.path.is_file() else 0
        path = f"{video.path.resolve()} ({size} bytes)"
        from_scratch, model = task.policy.from_scratch, self._origin.model
        return Job(model, path, self._asks, task.settings, from_scratch, task.decode)

    def _budget(self, base: EngineSettings, decode: Decoding) -> Budget:
        """What the default policy spent, from its results."""
        task = Task.of(POLICIES[DEFAULT], base, None, decode)
        engine = Engine(self._model, task.settings)
        windows = [w for result in self._results(task).values() for w in result.windows]
        return Budget(
            kept=sum(w.kept for w in windows) / max(1, sum(w.full for w in windows)),
            patches=engine.schedule.window // engine.schedule.patch,
        )

    def _report(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def _confirmed(
    cheap: Mapping[str, VideoResult], full: Mapping[str, VideoResult]
) -> dict[str, VideoResult]:
    """Returns the answers of one policy as they are told where full recomputation confirms them."""
    return {
        name: replace(result, whole=full[name].windows)
        for name, result in cheap.items()
        if name in full
    }
