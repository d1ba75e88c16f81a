"""The golden test at published sizes: widths, heads, MLPs, mergers and vocabulary of real models.

Still smaller than published, for want of memory and time: what :mod:`tests.models.real` says of
``wide`` checkpoints (depth, the number of experts), the frames, and the windows of 4 frames.
Weights are random. They are bfloat16 on disk and compared in float32.
"""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from costream.models import load_model
from costream.settings import EngineSettings
from costream.video import Picture
from tests.engine.golden import ASKS, PROMPT, TOLERANCE, logits_of_windows
from tests.fakes import FakeStream, noise_pictures, samples_of
from tests.models import real
from tests.models.test_real_checkpoints import CHECKPOINTS, THINKING

WRITERS: dict[str, tuple[Callable[[Path], Path], tuple[int, int]]] = {
    "Qwen3-VL-4B-Instruct": (lambda path: real.qwen3_vl(path, wide=True), (96, 64)),
    THINKING: (lambda path: real.qwen3_vl(path, THINKING, wide=True), (96, 64)),
    "Qwen2.5-VL-3B-Instruct": (lambda path: real.qwen2_5_vl(path, wide=True), (140, 112)),
    "InternVL3": (lambda path: real.internvl(path, wide=True), (84, 84)),
}

SMALLER = {
    "num_hidden_layers",
    "num_experts",
    "depth",
    "deepstack_visual_indexes",
    "fullatt_block_indexes",
}
"""All that may differ from a published configuration."""


@pytest.fixture(scope="module", params=WRITERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def path(name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkpoint of up to 2 GB, deleted before the next one is written."""
    folder = tmp_path_factory.mktemp("wide")
    yield WRITERS[name][0](folder)
    shutil.rmtree(folder)
    gc.collect()


def test_the_logits_are_the_stock_class_s(name: str, path: Path) -> None:
    """The stock model is freed before CoStream loads its own, or both would take over 7 GB."""
    width, height = WRITERS[name][1]
    pictures = noise_pictures(6, width=width, height=height)
    stock = stock_logits(name, path, pictures[:4])
    gc.collect()
    (first, other_ask), (other_frames, _) = our_logits(path, pictures, (width, height))
    spread = stock.max() - stock.min()
    assert (first - stock).abs().max() < TOLERANCE * spread
    # Guards the test itself: an untrained model might ignore its input.
    assert (other_ask - stock).abs().max() > 10 * TOLERANCE * spread
    assert (other_frames - stock).abs().max() > 10 * TOLERANCE * spread


def stock_logits(name: str, path: Path, pictures: Sequence[Picture]) -> Tensor:
    """Returns the published way's logits of one window."""
    published = CHECKPOINTS[name][1](path)
    frames = [picture.rgb() for picture in pictures]
    logits: Tensor = published.logits(frames, PROMPT.format(ASKS[0]), fps=2)
    return logits


def our_logits(path: Path, pictures: Sequence[Picture], size: tuple[int, int]) -> list[Tensor]:
    """Returns the logits of two windows of 4 frames: [questions, vocabulary] each."""
    settings = EngineSettings(
        fps=2, window=2, stride=1, pruner="none", refresh="full", frame_size=size
    )
    stream = FakeStream(samples_of(pictures))
    model = load_model(str(path), device="cpu")
    logits = [logits for _, logits in logits_of_windows(model, settings, stream)]
    # Caches by grid keep adapters alive: without this, the weights of all families pile up.
    model.model.to("meta")
    return logits


def test_only_the_sizes_said_differ_from_the_published_ones(name: str, path: Path) -> None:
    config = json.loads((path / "config.json").read_text())
    if name == "InternVL3":
        assert config["text_config"]["hidden_size"] == 1536
        return
    published = json.loads((real.published_files(name) / "config.json").read_text())
    assert differing(config, published) <= SMALLER


def differing(ours: dict[str, Any], published: dict[str, Any]) -> set[str]:
    """Returns the names of all values, at any depth, that are not equal."""
    names: set[str] = set()
    for key in ours.keys() | published.keys():
        one, other = ours.get(key), published.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            names |= differing(one, other)
        elif one != other:
            names.add(key)
    return names
