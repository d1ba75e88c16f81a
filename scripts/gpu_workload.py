"""What scripts/gpu.py has CoStream do: streams in memory, and their windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from costream.engine.attention.kernel import StreamKeys, StreamTokens
from costream.engine.batch import Batch
from costream.engine.engine import Engine
from costream.engine.plan import SHARED, Keys
from costream.engine.upload import Upload
from costream.engine.watch import Watch
from costream.lab.evaluate.stock_model import WholeWindow, stock_logits
from costream.models import ModelAdapter, Rotation, Timestamp
from costream.settings import EngineSettings
from costream.video import BLOCK, ChangeMap, Picture, Sample, StreamHealth, StreamInfo

ASK = "Is someone fighting?"


class Noise:
    """A source in memory, whose frames have nothing in common.

    Args:
        frames: how many.
        size: their (width, height).
        seed: of the noise.
    """

    decode_seconds = 0.0
    health = StreamHealth()

    def __init__(self, frames: int, size: tuple[int, int], seed: int = 0) -> None:
        rng, shape = np.random.default_rng(seed), (size[1], size[0], 3)
        self._pictures = [
            Picture.from_rgb(rng.integers(0, 256, shape, dtype=np.uint8)) for _ in range(frames)
        ]
        self.info = StreamInfo(
            f"noise {seed}", "none", None, *size, rotation=0, frame_rate=None, duration=None,
            motion="none",
        )  # fmt: skip

    def samples(self, fps: float, *, on_frame: object = None) -> Iterator[Sample]:
        """See :class:`~costream.video.SampleSource`."""
        for tick, picture in enumerate(self._pictures):
            yield Sample(tick, tick / fps, picture, _nothing_known(picture))


def size_of(model: ModelAdapter) -> tuple[int, int]:
    """The family's tile, or small frames that all grids divide."""
    size: tuple[int, int] = getattr(model.preprocessing, "tile", (224, 224))
    return size


def settings_of(model: ModelAdapter, **values: object) -> EngineSettings:
    """Returns settings of windows of 4 s, two frames a second, with nothing pruned."""
    plain = {"fps": 2, "window": 4, "stride": 2, "pruner": "none", "frame_size": size_of(model)}
    return EngineSettings.checked(**{**plain, **values})


def ours_and_stock(
    model: ModelAdapter, attention: str, frames: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields logits of CoStream and of the stock class for each window: [vocabulary]."""
    engine = Engine(model, settings_of(model, refresh="full", attention=attention))
    source = Noise(frames + 4, size_of(model))
    watch, patch, shown = engine.open(source, [ASK]), model.temporal_patch, []
    for window, _ in engine.windows(source):
        shown = [(tick, pixels) for tick, pixels in shown if tick >= window.start]
        for tubelet in window.arrivals:
            pictures = [sample.picture for sample in tubelet.samples]
            shown.append((tubelet.tick, model.pixels(pictures, watch.stream.geometry)))
        plan, output = watch.run(watch.ingest.prepare(window))
        watch.state.commit(plan)
        timestamps = [
            Timestamp(n, (tick - shown[0][0] + (patch - 1) / 2) / 2, patch / 2)
            for n, (tick, _) in enumerate(shown)
        ]
        pixels, prompt = [pixels for _, pixels in shown], watch.questions.prompts[0]
        whole = WholeWindow(pixels, timestamps, prompt, watch.stream.geometry)
        stock = stock_logits(model, whole)
        yield output.logits[0].float().cpu(), stock.float().cpu()


def last_tokens(number: int, window: int, fresh: int, upload: Upload) -> StreamTokens:
    """The last tokens of a window of which half the keys are carried over."""
    distances = np.where(np.arange(window) % 2, 16, 0)
    keys = Keys(np.arange(number * window, (number + 1) * window), distances, distances[:0])
    frequencies = torch.linspace(1, 1e-3, 64, device=upload.device)
    places = np.arange(window - fresh, window)

    def rotate(moved: Tensor) -> Rotation:
        return Rotation.by(moved, frequencies)

    begin = number * fresh
    seen = StreamKeys(keys, window, rotate, upload)
    return StreamTokens(begin, places, np.full(fresh, SHARED), seen, upload)


def steps_of(model: ModelAdapter, streams: int, **values: object) -> Iterator[tuple[Engine, Batch]]:
    """Yields the windows of some streams together, each to be run before the next is asked for."""
    engine = Engine(model, settings_of(model, **values))
    sources = [Noise(16, size_of(model), seed) for seed in range(streams)]
    watches: list[Watch] = [engine.open(source, [ASK]) for source in sources]
    for windows in zip(*(engine.windows(source) for source in sources), strict=True):
        plans = [
            watch.plan(watch.ingest.prepare(window))
            for watch, (window, _) in zip(watches, windows, strict=True)
        ]
        yield engine, Batch(plans)
        for watch, plan in zip(watches, plans, strict=True):
            watch.state.commit(plan)


def _nothing_known(picture: Picture) -> ChangeMap:
    shape = -(-picture.height // BLOCK), -(-picture.width // BLOCK)
    field = np.zeros(shape, np.float32)
    unknown = np.full(shape, np.nan, np.float32)
    return ChangeMap(
        motion="none", peak=field, drift=np.zeros((*shape, 2), np.float32), path=field,
        activity=field, intra=np.zeros(shape, np.bool_), qp=unknown, residual=unknown,
        frames=1, keyframes=0, packet_bytes=1, damaged=False,
    )  # fmt: skip
