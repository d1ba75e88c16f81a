"""What a golden test holds a family to: the stock model's logits. It is never loosened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from costream.engine.engine import Engine
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.video import Picture
from tests.engine.driving import advance
from tests.fakes import FakeStream, samples_of

TOLERANCE = 1e-3
"""Largest difference of logits, as a share of their range."""

ASKS = ("Is someone fighting?", "Has a person fallen and stayed down on the floor?")
PROMPT = "{} Start your response with 'Yes' or 'No'."


def logits_of_windows(
    model: ModelAdapter, settings: EngineSettings, stream: FakeStream
) -> Iterator[tuple[int, Tensor]]:
    """Yields (first tick, logits [questions, vocabulary]) of each window."""
    engine = Engine(model, settings)
    watch = engine.open(stream, ASKS)
    for window, _ in engine.windows(stream):
        yield window.start, advance(watch, window)


class Published(Protocol):
    """The published way from frames to logits, written without anything of CoStream."""

    def logits(self, frames: list[np.ndarray], ask: str, *, fps: float) -> Tensor:
        """Returns the logits at the first answer token: [vocabulary]."""
        ...


def assert_stock_logits(
    model: ModelAdapter,
    published: Published,
    pictures: Sequence[Picture],
    *,
    stride: float,
    frame_size: tuple[int, int] | None,
    attention: str = "auto",
) -> None:
    """Checks every window of 8 frames that slides over the pictures, two frames a second."""
    settings = EngineSettings(
        fps=2,
        window=4,
        stride=stride,
        pruner="none",
        refresh="full",
        frame_size=frame_size,
        attention=attention,
    )
    windows = 0
    for start, logits in logits_of_windows(model, settings, FakeStream(samples_of(pictures))):
        frames = [picture.rgb() for picture in pictures[start : start + 8]]
        for ask, ours in zip(ASKS, logits, strict=True):
            stock = published.logits(frames, PROMPT.format(ask), fps=2)
            assert (ours - stock).abs().max() < TOLERANCE * (stock.max() - stock.min())
        windows += 1
    assert windows == 1 + (len(pictures) - 8) // (2 * stride)


def assert_input_matters(
    model: ModelAdapter, pictures: Sequence[Picture], frame_size: tuple[int, int] | None
) -> None:
    """Guards the golden test itself: an untrained model might ignore its input."""
    settings = EngineSettings(
        fps=2, window=4, stride=1, pruner="none", refresh="full", frame_size=frame_size
    )
    stream = FakeStream(samples_of(pictures))
    (_, first), (_, second) = list(logits_of_windows(model, settings, stream))
    spread = first.max() - first.min()
    assert (first[0] - first[1]).abs().max() > 10 * TOLERANCE * spread
    assert (first[0] - second[0]).abs().max() > 10 * TOLERANCE * spread
    assert torch.isfinite(first).all()
