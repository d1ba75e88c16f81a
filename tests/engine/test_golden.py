"""Pruning off and refresh full: the stock model's logits. This test is never loosened."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from costream.engine.engine import Engine
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from tests.fakes import FakeStream, noise_pictures, samples_of
from tests.models.published import Published

TOLERANCE = 1e-3
"""Largest difference of logits, as a share of their range."""

ASKS = ("Is someone fighting?", "Has a person fallen and stayed down on the floor?")
PROMPT = "{} Start your response with 'Yes' or 'No'."


def logits_of_windows(model: ModelAdapter, settings: EngineSettings, stream: FakeStream):
    """Yields (first tick, logits [questions, vocabulary]) of each window."""
    engine = Engine(model, settings)
    watch = engine.open(stream, ASKS)
    for window, _ in engine.windows(stream):
        arrivals = watch.session.encode(window.arrivals)
        logits, _ = watch.prefill(window, arrivals)
        watch.session.release()
        watch.session.check_integrity()
        yield window.start, logits


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("kind", ["dense", "moe"])
def test_unpruned_full_refresh_equals_the_stock_model(
    request: pytest.FixtureRequest, kind: str, stride: int
) -> None:
    prefix = "moe_" if kind == "moe" else ""
    model: ModelAdapter = request.getfixturevalue(f"{prefix}model")
    path: Path = request.getfixturevalue(f"{prefix}checkpoint")
    published = Published(path)
    pictures = noise_pictures(16)
    settings = EngineSettings(
        fps=2, window=4, stride=stride, pruner="none", refresh="full", frame_size=(128, 96)
    )
    windows = 0
    for start, logits in logits_of_windows(model, settings, FakeStream(samples_of(pictures))):
        frames = [picture.rgb() for picture in pictures[start : start + 8]]
        for ask, ours in zip(ASKS, logits, strict=True):
            stock = published.logits(frames, PROMPT.format(ask), fps=2)
            assert (ours - stock).abs().max() < TOLERANCE * (stock.max() - stock.min())
        windows += 1
    assert windows == 1 + 4 // stride


def test_an_odd_last_frame_is_repeated_as_the_stock_model_does_it(
    model: ModelAdapter, checkpoint: Path
) -> None:
    pictures = noise_pictures(5)
    settings = EngineSettings(
        fps=2, window=4, stride=1, pruner="none", refresh="full", frame_size=(128, 96)
    )
    stream = FakeStream(samples_of(pictures))
    ((_, logits),) = list(logits_of_windows(model, settings, stream))
    stock = Published(checkpoint).logits([p.rgb() for p in pictures], PROMPT.format(ASKS[0]), fps=2)
    assert (logits[0] - stock).abs().max() < TOLERANCE * (stock.max() - stock.min())


def test_another_question_or_another_frame_changes_the_logits(model: ModelAdapter) -> None:
    """Guards the golden test itself: an untrained model might ignore its input."""
    settings = EngineSettings(
        fps=2, window=4, stride=1, pruner="none", refresh="full", frame_size=(128, 96)
    )
    stream = FakeStream(samples_of(noise_pictures(10)))
    (_, first), (_, second) = list(logits_of_windows(model, settings, stream))
    spread = first.max() - first.min()
    assert (first[0] - first[1]).abs().max() > 10 * TOLERANCE * spread
    assert (first[0] - second[0]).abs().max() > 10 * TOLERANCE * spread
    assert torch.isfinite(first).all()
