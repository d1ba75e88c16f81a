"""What was measured on each video with each setting, kept in a file that an evaluation resumes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from costream.engine.verdict import Verdict
from costream.settings import EngineSettings

RESULTS = "windows.jsonl"


@dataclass(frozen=True, slots=True)
class WindowResult:
    """One window under one policy.

    Attributes:
        index: number of the window.
        start: where it begins, in seconds, whatever part of it was shown.
        end: where it ends.
        scores: one for each question, as the model has it: not calibrated.
        full: visual tokens of the part that was shown, unpruned.
        encoded: those that came out of the vision encoder for it.
        kept: those in the window that were encoded from their own frames.
        prefilled: those run through the language model.
        flops: operations spent.
        asking: those of them for the questions' own tokens.
        seconds: time spent, decoding included.
    """

    index: int
    start: float
    end: float
    scores: tuple[float, ...]
    full: int
    encoded: int
    kept: int
    prefilled: int
    flops: int
    asking: int
    seconds: float

    @classmethod
    def of(cls, verdict: Verdict, start: float) -> WindowResult:
        """Takes from a verdict what the metrics need; ``start`` is the window's own."""
        tokens, flops = verdict.tokens, verdict.flops
        return cls(
            index=verdict.index,
            start=start,
            end=verdict.end,
            scores=tuple(round(answer.score, 6) for answer in verdict.answers),
            full=tokens.full,
            encoded=tokens.encoded,
            kept=tokens.kept,
            prefilled=tokens.prefilled,
            flops=flops.spent,
            asking=flops.asking,
            seconds=round(verdict.seconds.total, 6),
        )


@dataclass(frozen=True, slots=True)
class VideoResult:
    """One video under one policy.

    Attributes:
        rate: the video's frames a second.
        windows: in order.
    """

    rate: float
    windows: tuple[WindowResult, ...]

    @property
    def spans(self) -> list[tuple[float, float]]:
        """Start and end of each window."""
        return [(window.start, window.end) for window in self.windows]

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """Scores: [windows, questions]."""
        return np.array([window.scores for window in self.windows], np.float64)

    def calibrated(self, asks: Sequence[str], settings: EngineSettings) -> VideoResult:
        """Returns the same with the scores that settings give the answers to the questions."""
        windows = tuple(
            replace(window, scores=tuple(map(settings.calibrated, asks, window.scores)))
            for window in self.windows
        )
        return VideoResult(self.rate, windows)


@dataclass(frozen=True, slots=True)
class Job:
    """What a result depends on.

    Attributes:
        model: the model's name and dtype.
        video: the video's file.
        asks: the questions, in order.
        settings: the engine's.
        anew: whether every window was computed from nothing.
    """

    model: str
    video: str
    asks: tuple[str, ...]
    settings: EngineSettings
    anew: bool

    @property
    def key(self) -> str:
        """Tells jobs apart whose results may differ."""
        settings = self.settings.model_dump(exclude={"threshold", "thresholds", "calibration"})
        return json.dumps([self.model, self.video, self.asks, settings, self.anew], sort_keys=True)


class ResultStore:
    """Results by job, one JSON line each.

    Args:
        folder: where the file lies, made if it is missing; without one, results are only held.

    Raises:
        OSError: the file can't be read.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / RESULTS
        self._results: dict[str, VideoResult] = {}
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._read(self._path)

    def __contains__(self, job: Job) -> bool:
        return job.key in self._results

    def __getitem__(self, job: Job) -> VideoResult:
        return self._results[job.key]

    def add(self, job: Job, result: VideoResult) -> None:
        """Keeps a result, in the file too.

        Raises:
            OSError: the file can't be written to.
        """
        self._results[job.key] = result
        if self._path is not None:
            line = json.dumps({"job": job.key, **asdict(result)})
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def _read(self, path: Path) -> None:
        if not path.is_file():
            return
        for line in path.read_text(encoding="utf-8").splitlines():
            if (values := _parse(line)) is not None:
                windows = tuple(
                    WindowResult(**{**window, "scores": tuple(window["scores"])})
                    for window in values["windows"]
                )
                self._results[values["job"]] = VideoResult(values["rate"], windows)


def _parse(line: str) -> dict[str, Any] | None:
    """Reads a line; a torn one, as an interruption leaves it, is measured again."""
    try:
        values: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return None
    return values
