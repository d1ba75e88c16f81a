"""Pruning off and refresh full: the stock Qwen3-VL's logits. This test is never loosened."""

from __future__ import annotations

from pathlib import Path

import pytest

from costream.engine.attention.backends import ATTENTION
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from tests.engine.golden import (
    ASKS,
    PROMPT,
    TOLERANCE,
    assert_input_matters,
    assert_stock_logits,
    logits_of_windows,
)
from tests.fakes import FakeStream, noise_pictures, samples_of
from tests.models.published import Published


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("kind", ["dense", "moe"])
def test_unpruned_full_refresh_equals_the_stock_model(
    request: pytest.FixtureRequest, kind: str, stride: int
) -> None:
    prefix = "moe_" if kind == "moe" else ""
    model: ModelAdapter = request.getfixturevalue(f"{prefix}model")
    path: Path = request.getfixturevalue(f"{prefix}checkpoint")
    assert_stock_logits(
        model, Published(path), noise_pictures(16), stride=stride, frame_size=(128, 96)
    )


@pytest.mark.parametrize("attention", list(ATTENTION))
@pytest.mark.parametrize("kind", ["dense", "moe"])
def test_it_does_by_every_attention_backend(
    request: pytest.FixtureRequest, kind: str, attention: str
) -> None:
    prefix = "moe_" if kind == "moe" else ""
    model: ModelAdapter = request.getfixturevalue(f"{prefix}model")
    path: Path = request.getfixturevalue(f"{prefix}checkpoint")
    assert_stock_logits(
        model,
        Published(path),
        noise_pictures(12),
        stride=2,
        frame_size=(128, 96),
        attention=attention,
    )


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
    assert_input_matters(model, noise_pictures(10), (128, 96))
