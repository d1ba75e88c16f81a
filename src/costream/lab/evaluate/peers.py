"""CoStream against what else answers windows of video: ``transformers`` and vLLM, in one run.

All sides watch the same file with the same weights, the same question and the same windows, window
by window in turn, so that a machine whose speed drifts slows all of them. ``transformers`` is the
stock class with its own forward, as :class:`~costream.lab.evaluate.speed.StockSide` runs it; vLLM
runs in a process of its own. Decoding is counted for all sides. The first window, in which nobody
can reuse anything and everybody warms up, is left out of what is reported.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import islice
from math import inf, isfinite, log, log1p
from pathlib import Path
from statistics import fmean, median
from typing import Any, Protocol

import torch

import costream
from costream.engine.engine import Engine
from costream.engine.ingest import ReadingCost
from costream.engine.questions import Questions
from costream.engine.schedule import Window
from costream.engine.watch import Watch
from costream.errors import SourceError
from costream.lab.evaluate.speed import StockSide, Turn
from costream.lab.evaluate.vllm_peer import VllmPeer, vllm_setup
from costream.lab.evaluate.vllm_process import vllm_process
from costream.models import FrameGeometry
from costream.video import Stream, StreamInfo

OURS = "costream"
"""CoStream's name among the sides."""


class Peer(Protocol):
    """A side that answers whole windows."""

    name: str

    @property
    def setup(self) -> Mapping[str, Any]:
        """What a reader has to know of it to repeat the run: versions, threads."""
        ...

    def step(self, window: Window) -> tuple[float, float]:
        """Answers a window; returns the log odds of yes, and the seconds that took."""
        ...


@dataclass(frozen=True, slots=True)
class Answered(Turn):
    """One side's answer to one window.

    Attributes:
        log_odds: of yes against no; infinite where one of them rounds to nothing.
    """

    log_odds: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two sides answer the same windows, the first one left out.

    Attributes:
        mean: mean absolute difference of the log odds, over windows where both are finite.
        largest: the largest such difference.
        flips: share of windows where one says yes and the other no.
        infinite: windows where one of the log odds is infinite.
    """

    mean: float | None
    largest: float | None
    flips: float
    infinite: int

    @classmethod
    def of(cls, one: Sequence[Answered], other: Sequence[Answered]) -> Agreement:
        """Compares the same windows of two sides."""
        pairs = [(a.log_odds, b.log_odds) for a, b in zip(one, other, strict=True)]
        apart = [abs(a - b) for a, b in pairs if isfinite(a) and isfinite(b)]
        return cls(
            mean=fmean(apart) if apart else None,
            largest=max(apart, default=None),
            flips=sum((a >= 0) != (b >= 0) for a, b in pairs) / len(pairs),
            infinite=len(pairs) - len(apart),
        )


@dataclass(frozen=True, slots=True)
class PeerReport:
    """All sides, window by window.

    Attributes:
        setup: what was compared, and on what.
        sides: of each side its turns, the first window's included; CoStream is among them.
    """

    setup: dict[str, Any]
    sides: dict[str, tuple[Answered, ...]]

    @property
    def seconds(self) -> dict[str, float]:
        """Mean seconds of a window after the first, decoding included, of each side."""
        return {side: fmean(t.seconds for t in turns[1:]) for side, turns in self.sides.items()}

    @property
    def ratios(self) -> dict[str, dict[str, float]]:
        """How many times CoStream's seconds each peer takes: of the means, and the median one."""
        ours, means = self.sides[OURS][1:], self.seconds
        return {
            side: {
                "mean": means[side] / means[OURS],
                "median_window": median(
                    t.seconds / o.seconds for t, o in zip(turns[1:], ours, strict=True)
                ),
            }
            for side, turns in self.sides.items()
            if side != OURS
        }

    @property
    def agreement(self) -> dict[str, Agreement]:
        """How each two sides agree: by ``one/other``."""
        sides = list(self.sides.items())
        return {
            f"{one}/{other}": Agreement.of(turns[1:], others[1:])
            for number, (one, turns) in enumerate(sides)
            for other, others in sides[number + 1 :]
        }

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON-ready values; log odds that are infinite are None."""
        return {
            **self.setup,
            "windows": len(self.sides[OURS]),
            "seconds": self.seconds,
            "ratio": self.ratios,
            "agreement": {pair: asdict(value) for pair, value in self.agreement.items()},
            "sides": {
                side: [{**asdict(turn), "log_odds": _finite(turn.log_odds)} for turn in turns]
                for side, turns in self.sides.items()
            },
        }


class TransformersPeer:
    """The stock class on the whole of every window.

    Args:
        side: what runs it.
    """

    name = "transformers"
    setup: Mapping[str, Any] = {}

    def __init__(self, side: StockSide) -> None:
        self._side = side

    def step(self, window: Window) -> tuple[float, float]:
        """Answers a window; returns the log odds of yes, and the seconds that took."""
        score, seconds = self._side.step(window)
        return log_odds(score), seconds


def compare_peers(
    engine: Engine,
    name: str,
    source: str,
    ask: str,
    *,
    windows: int | None = None,
    vllm_python: Path | None = None,
) -> PeerReport:
    """Watches a file with all sides in turn.

    Args:
        engine: CoStream's side; its model is that of ``transformers`` too.
        name: the model's, as ``load_model`` takes it: vLLM loads it by that.
        source: the file; it is opened twice.
        ask: one question.
        windows: windows to compare, the first included; all where None.
        vllm_python: an interpreter that has vLLM; without one, vLLM is left out.

    Raises:
        SourceError: the file can't be read, or holds no two windows.
        SettingsError: vLLM's interpreter can't be run, or the model is not of its families.
        ModelError: vLLM can't be had or stopped.
    """
    motion = engine.settings.uses_motion
    with (
        Stream(source, motion=False, decode="all") as plain,
        Stream(source, motion=motion) as stream,
    ):
        watch, geometry = engine.open(stream, [ask]), _geometry(engine, stream.info)
        with _peers(engine, name, watch.questions, geometry, vllm_python) as peers:
            pairs = zip(engine.windows(plain), engine.windows(stream), strict=True)
            sides = _take_turns(watch, peers, islice(pairs, windows))
            setup = _setup(engine, stream.info, ask, geometry, peers)
    if len(sides[OURS]) < 2:
        raise SourceError(
            f"{stream.info.source} is too short: it holds {len(sides[OURS])} of the two windows "
            "that a comparison takes"
        )
    return PeerReport(setup, sides)


def _take_turns(
    watch: Watch,
    peers: Sequence[Peer],
    windows: Iterable[tuple[tuple[Window, ReadingCost], tuple[Window, ReadingCost]]],
) -> dict[str, tuple[Answered, ...]]:
    """Returns the turns of all sides; each window is that of the peers and that of CoStream."""
    turns: dict[str, list[Answered]] = {name: [] for name in (*(peer.name for peer in peers), OURS)}
    for (whole, reading), (window, our_reading) in windows:
        decode, our_decode = reading.seconds, our_reading.seconds
        for peer in peers:
            odds, seconds = peer.step(whole)
            turns[peer.name].append(Answered(decode, seconds, odds))
        result = watch.step(window, our_reading)
        ours, score = result.seconds.total - our_decode, result.answers[0].score
        turns[OURS].append(Answered(our_decode, ours, log_odds(score)))
    return {side: tuple(of_side) for side, of_side in turns.items()}


def log_odds(score: float) -> float:
    """Returns the log odds of a score: infinite at 0 and 1."""
    if score in (0.0, 1.0):
        return inf if score else -inf
    return log(score) - log1p(-score)


def _geometry(engine: Engine, info: StreamInfo) -> FrameGeometry:
    frames, size = engine.schedule.window, engine.settings.frame_size
    return engine.model.geometry(info.width, info.height, frames, size)


@contextmanager
def _peers(
    engine: Engine, name: str, questions: Questions, geometry: FrameGeometry, python: Path | None
) -> Iterator[list[Peer]]:
    """Makes the peers of one stream; vLLM runs for as long as the context lasts."""
    model, fps, prompt = engine.model, engine.settings.fps, questions.prompts[0]
    stock = TransformersPeer(StockSide(model, questions, geometry, fps))
    if python is None:
        yield [stock]
        return
    setup = vllm_setup(model, prompt, engine.schedule.window, geometry, fps)
    with vllm_process(python, setup, name) as process:
        yield [stock, VllmPeer(process, model, prompt, geometry, fps)]


def _setup(
    engine: Engine, info: StreamInfo, ask: str, geometry: FrameGeometry, peers: Sequence[Peer]
) -> dict[str, Any]:
    settings, shape = engine.settings, engine.model.kv_shape
    return {
        "source": info.source,
        "codec": info.codec,
        "frame_size": [geometry.width, geometry.height],
        "parameters": engine.model.parameters,
        "device": str(shape.device),
        "dtype": str(shape.dtype).removeprefix("torch."),
        "ask": ask,
        "fps": settings.fps,
        "window_frames": engine.schedule.window,
        "stride_frames": engine.schedule.stride,
        "pruner": settings.pruner,
        "refresh": settings.refresh,
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "versions": {
            OURS: costream.__version__,
            **{library: version(library) for library in ("torch", "transformers", "av")},
        },
        "peers": {peer.name: dict(peer.setup) for peer in peers},
    }


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
