"""CoStream against the stock model that recomputes every window, in one run.

Both sides watch the same source with the same weights and the same windows, window by window in
turn, so that a machine whose speed drifts slows both. The stock side decodes without exporting
motion, samples and preprocesses every frame once, and runs vision encoder and language model over
the whole window with nothing kept. CoStream's side is the engine as it is; where its pruner looks
at motion vectors, their extraction is in its decoding time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from costream.engine.engine import Engine
from costream.engine.questions import Questions
from costream.engine.schedule import Window
from costream.errors import SourceError
from costream.lab.evaluate.stock_model import WholeWindow, stock_logits
from costream.models import FrameGeometry, ModelAdapter, Timestamp
from costream.video import Stream, StreamInfo


@dataclass(frozen=True, slots=True)
class Turn:
    """How long one side took for one window.

    Attributes:
        decode: processor seconds of reading and decoding.
        model: seconds of all that follows, up to the answer.
    """

    decode: float
    model: float

    @property
    def seconds(self) -> float:
        """Seconds in all."""
        return self.decode + self.model


@dataclass(frozen=True, slots=True)
class Cost(Turn):
    """What one side spent on one window.

    Attributes:
        flops: floating point operations.
        tokens: visual tokens run through the language model.
    """

    flops: int
    tokens: int


@dataclass(frozen=True, slots=True)
class SpeedReport:
    """Both sides, window by window.

    Attributes:
        setup: what was compared: source, model, sizes, settings.
        stock: costs of the stock model.
        costream: costs of CoStream, first window (nothing to reuse) included.
        scores: for each window the score of (stock, CoStream).
    """

    setup: dict[str, Any]
    stock: tuple[Cost, ...]
    costream: tuple[Cost, ...]
    scores: tuple[tuple[float, float], ...]

    @property
    def ratios(self) -> dict[str, float]:
        """Stock over CoStream, summed over all windows: how many times less CoStream spends.

        ``median_window`` is the median over the windows of the ratio of their seconds.
        """
        pairs = list(zip(self.stock, self.costream, strict=True))
        return {
            "seconds": _ratio([c.seconds for c in self.stock], [c.seconds for c in self.costream]),
            "median_window": median(s.seconds / c.seconds for s, c in pairs),
            "flops": _ratio([c.flops for c in self.stock], [c.flops for c in self.costream]),
            "tokens": _ratio([c.tokens for c in self.stock], [c.tokens for c in self.costream]),
        }

    @property
    def agreement(self) -> dict[str, float]:
        """How the answers differ: mean absolute score difference, share of flipped answers."""
        count = len(self.scores)
        return {
            "score_difference": sum(abs(a - b) for a, b in self.scores) / count,
            "flips": sum((a >= 0.5) != (b >= 0.5) for a, b in self.scores) / count,
        }

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON-ready values."""
        return {
            **self.setup,
            "windows": len(self.stock),
            "ratio": self.ratios,
            "agreement": self.agreement,
            "stock": [asdict(cost) for cost in self.stock],
            "costream": [asdict(cost) for cost in self.costream],
        }


class StockSide:
    """The stock model on one stream, as a straightforward program would use it.

    Args:
        model: the model, with the weights that CoStream uses.
        questions: one question.
        geometry: how pictures are cut.
        fps: sampling rate.
    """

    def __init__(
        self, model: ModelAdapter, questions: Questions, geometry: FrameGeometry, fps: float
    ) -> None:
        self._model = model
        self._questions = questions
        self._geometry = geometry
        self._fps = fps
        self._frames: list[tuple[int, Tensor]] = []

    def step(self, window: Window) -> tuple[float, float]:
        """Recomputes a window; returns its score and the seconds that took."""
        begun = perf_counter()
        self._frames = [frame for frame in self._frames if frame[0] >= window.start]
        for tubelet in window.arrivals:
            pictures = [sample.picture for sample in tubelet.samples]
            self._frames.append((tubelet.tick, self._model.pixels(pictures, self._geometry)))
        whole = WholeWindow(
            [pixels for _, pixels in self._frames],
            [self._timestamp(index, tick) for index, (tick, _) in enumerate(self._frames)],
            self._questions.prompts[0],
            self._geometry,
        )
        logits = stock_logits(self._model, whole)
        score = self._questions.scores(logits[None])[0]
        return score, perf_counter() - begun

    def _timestamp(self, index: int, tick: int) -> Timestamp:
        patch = self._model.temporal_patch
        middle = tick - self._frames[0][0] + (patch - 1) / 2
        return Timestamp(index, middle / self._fps, patch / self._fps)


def compare(engine: Engine, source: str, ask: str, windows: int | None = None) -> SpeedReport:
    """Watches a source with both sides in turn.

    Args:
        engine: CoStream's side; its model is the stock side's too.
        source: what to watch; it is opened twice, so it has to be a file.
        ask: one question.
        windows: windows to compare, all where None.

    Raises:
        SourceError: the source can't be read, or holds no frame.
    """
    stock, costream, scores = [], [], []
    motion = engine.settings.uses_motion
    with (
        Stream(source, motion=False, decode="all") as plain,
        Stream(source, motion=motion) as stream,
    ):
        watch = engine.open(stream, [ask])
        side = StockSide(engine.model, watch.questions, watch.stream.geometry, engine.settings.fps)
        pairs = zip(engine.windows(plain), engine.windows(stream), strict=True)
        for (stock_window, stock_reading), (window, reading) in islice(pairs, windows):
            score, seconds = side.step(stock_window)
            result = watch.step(window, reading)
            decode = reading.seconds
            ours = result.seconds.total - decode
            tokens, flops = result.tokens, result.flops
            stock.append(Cost(stock_reading.seconds, seconds, flops.full, tokens.full))
            costream.append(Cost(decode, ours, flops.spent, tokens.prefilled))
            scores.append((score, result.answers[0].score))
        if not stock:
            raise SourceError(f"{stream.info.source} holds no frame to compare on")
        setup = _setup(engine, stream.info, watch.stream.geometry, ask)
    return SpeedReport(setup, tuple(stock), tuple(costream), tuple(scores))


def _setup(engine: Engine, info: StreamInfo, geometry: FrameGeometry, ask: str) -> dict[str, Any]:
    settings, shape = engine.settings, engine.model.kv_shape
    return {
        "source": info.source,
        "codec": info.codec,
        "size": [info.width, info.height],
        "frame_size": [geometry.width, geometry.height],
        "parameters": engine.model.parameters,
        "device": str(shape.device),
        "dtype": str(shape.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "ask": ask,
        "fps": settings.fps,
        "window_frames": engine.schedule.window,
        "stride_frames": engine.schedule.stride,
        "pruner": settings.pruner,
        "refresh": settings.refresh,
    }


def _ratio(stock: Sequence[float], costream: Sequence[float]) -> float:
    return sum(stock) / max(sum(costream), 1e-12)
