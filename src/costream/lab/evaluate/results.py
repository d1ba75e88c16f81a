"""What was measured on each video with each setting, kept in a file that an evaluation resumes."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from costream.engine.result import Result
from costream.errors import SettingsError
from costream.lab.evaluate.confirming import Floats, confirm
from costream.lab.evaluate.origin import Origin
from costream.settings import EngineSettings
from costream.video import DecodeCount, Decoding

RESULTS = "windows.jsonl"

_BEGINNING = b'{"job": '
"""How every line begins, cut off or not."""

logger = logging.getLogger("costream")


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
    def of(cls, result: Result, start: float) -> WindowResult:
        """Takes from a result what the metrics need; ``start`` is the window's own."""
        tokens, flops = result.tokens, result.flops
        return cls(
            index=result.index,
            start=start,
            end=result.end,
            scores=tuple(round(answer.score, 6) for answer in result.answers),
            full=tokens.full,
            encoded=tokens.encoded,
            kept=tokens.kept,
            prefilled=tokens.prefilled,
            flops=flops.spent,
            asking=flops.asking,
            seconds=round(result.seconds.total, 6),
        )


@dataclass(frozen=True, slots=True)
class VideoResult:
    """One video under one policy.

    Attributes:
        rate: the video's frames a second.
        windows: in order.
        decoding: native frames by why they were decoded, or were not.
        whole: what full recomputation makes of the same windows, where a yes that begins is told
            once it is confirmed by that; None where nothing is confirmed.
    """

    rate: float
    windows: tuple[WindowResult, ...]
    decoding: DecodeCount = field(default_factory=DecodeCount)
    whole: tuple[WindowResult, ...] | None = None

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
        whole = self.whole and _calibrated(self.whole, asks, settings)
        return replace(self, windows=_calibrated(self.windows, asks, settings), whole=whole)

    def told(self, thresholds: Floats) -> VideoResult:
        """Returns what is told by thresholds [questions], with what it costs to confirm it."""
        if self.whole is None:
            return self
        scores = np.array([window.scores for window in self.whole], np.float64)
        _, asked = confirm(self.scores, scores, thresholds)
        pairs = zip(self.windows, self.whole, asked, strict=True)
        windows = tuple(
            _told(cheap, full, rose) if rose.any() else cheap for cheap, full, rose in pairs
        )
        return replace(self, windows=windows, whole=None)


def _calibrated(
    windows: Sequence[WindowResult], asks: Sequence[str], settings: EngineSettings
) -> tuple[WindowResult, ...]:
    return tuple(
        replace(window, scores=tuple(map(settings.calibrated, asks, window.scores)))
        for window in windows
    )


def _told(cheap: WindowResult, full: WindowResult, asked: npt.NDArray[np.bool_]) -> WindowResult:
    """Returns a window of which some questions were asked of full recomputation as well."""
    return replace(
        cheap,
        scores=tuple(np.where(asked, full.scores, cheap.scores).tolist()),
        encoded=cheap.encoded + full.encoded,
        prefilled=cheap.prefilled + full.prefilled,
        flops=cheap.flops + full.flops,
        asking=cheap.asking + full.asking,
        seconds=cheap.seconds + full.seconds,
    )


@dataclass(frozen=True, slots=True)
class Job:
    """What a result depends on.

    Attributes:
        model: the model's name and dtype.
        video: the video's file, and how many bytes it has.
        asks: the questions, in order.
        settings: the engine's.
        from_scratch: whether every window was computed from nothing.
        decode: which pictures were decoded.
    """

    model: str
    video: str
    asks: tuple[str, ...]
    settings: EngineSettings
    from_scratch: bool
    decode: Decoding

    @property
    def key(self) -> str:
        """Tells jobs apart whose results may differ."""
        settings = self.settings.model_dump(
            exclude={"threshold", "thresholds", "calibration", "audit", "confirm"}
        )
        return json.dumps(
            [self.model, self.video, self.asks, settings, self.from_scratch, self.decode],
            sort_keys=True,
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the file. Lines of older versions don't say what made them."""

    job: str
    rate: float
    windows: tuple[WindowResult, ...]
    decoding: DecodeCount = field(default_factory=DecodeCount)
    origin: Origin | None = None

    @property
    def model(self) -> str:
        """The model's name and dtype."""
        return str(json.loads(self.job)[0])


_LINES = TypeAdapter(_Line)

UNRECORDED = "unknown weights and code"
"""Of a result that does not say what made it."""


class ResultStore:
    """Results by job, one JSON line each. Nothing that is kept is ever changed or removed.

    Args:
        folder: where the file lies, made if it is missing; without one, results are only held.

    Raises:
        OSError: the folder can't be made.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / RESULTS
        self._results: dict[str, VideoResult] = {}
        self._origin: Origin | None = None
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)

    def __contains__(self, job: Job) -> bool:
        return job.key in self._results

    def __getitem__(self, job: Job) -> VideoResult:
        return self._results[job.key]

    def take_up(self, origin: Origin) -> None:
        """Reads what is kept and takes up what the same weights and code have made.

        What a model of this name has answered with other weights or code stays in the file, and a
        warning says how many such results there are and why they don't count.

        Args:
            origin: who answers now; what is added from here on is kept as made by it.

        Raises:
            SettingsError: the file holds something else than results.
            OSError: it can't be read.
        """
        self._origin = origin
        self._results.clear()
        if self._path is not None and self._path.exists():
            self._read(self._path, origin)

    def add(self, job: Job, result: VideoResult) -> None:
        """Keeps a result, in the file too.

        Raises:
            OSError: the file can't be written to.
        """
        self._results[job.key] = result
        if self._path is not None:
            line = _Line(job.key, result.rate, result.windows, result.decoding, self._origin)
            with self._path.open("ab+") as file:
                # What an interruption has cut off must not take the next line with it.
                file.write(b"\n" * _torn(file) + json.dumps(asdict(line)).encode() + b"\n")

    def _read(self, path: Path, origin: Origin) -> None:
        *whole, last = path.read_bytes().split(b"\n")
        lines = [_parse(line) for line in whole if line.strip()]
        torn = last.startswith(_BEGINNING)
        if not any(lines) and (any(whole) or (last and not torn)):
            raise SettingsError(
                f"{path} holds no results of an evaluation: name another folder with --out, or "
                "move the file away"
            )
        aside = Counter(self._take(line, origin) for line in [*lines, _parse(last)] if line)
        broken = lines.count(None) + (bool(last) and not torn)
        self._report(path, Counter({**aside, "unreadable lines": broken}))

    def _take(self, line: _Line, origin: Origin) -> str:
        """Takes a line up; returns why not, or nothing where it is taken or of another model."""
        if line.model != origin.model:
            return ""
        why = UNRECORDED if line.origin is None else origin.difference(line.origin)
        if why is None:
            self._results[line.job] = VideoResult(line.rate, line.windows, line.decoding)
        return why or ""

    def _report(self, path: Path, aside: Counter[str]) -> None:
        reasons = [f"{count} of {why}" for why, count in aside.most_common() if why and count]
        if reasons:
            logger.warning("%s: kept results are left aside: %s", path, ", ".join(reasons))


def _parse(line: bytes) -> _Line | None:
    """Reads a line; what can't be read is measured again."""
    try:
        found = _LINES.validate_json(line)
        json.loads(found.job)[0]
    except (ValueError, LookupError, TypeError):
        return None
    return found


def _torn(file: BinaryIO) -> bool:
    """Whether a file that is open for appending ends within a line."""
    if not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"
