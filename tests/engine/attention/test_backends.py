"""Which backend is chosen, and that answers don't depend on it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from costream.engine.attention.backends import (
    ATTENTION,
    FlexBackend,
    SdpaBackend,
    backend_for,
)
from costream.engine.engine import Engine
from costream.errors import SettingsError
from costream.models import SIZES, ModelAdapter, load_model, write_untrained
from costream.settings import EngineSettings
from tests.engine.driving import ScriptedPruner, advance
from tests.fakes import FakeStream, noise_pictures, samples_of

TESTED = [name for name in SIZES if "test" in name]


def test_flex_is_chosen_on_a_gpu_only_once_it_was_checked_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(backend_for("auto", "cpu"), SdpaBackend)
    assert isinstance(backend_for("auto", "cuda"), SdpaBackend)
    monkeypatch.setattr(FlexBackend, "checked", frozenset({"cpu", "cuda"}))
    assert isinstance(backend_for("auto", "cuda"), FlexBackend)
    assert isinstance(backend_for("auto", "cpu"), SdpaBackend)
    assert not caplog.records


def test_a_backend_that_was_never_checked_on_the_device_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert isinstance(backend_for("flex", "cpu"), FlexBackend)
        assert not caplog.records
        assert isinstance(backend_for("flex", "cuda"), FlexBackend)
    assert "attention 'flex' was never checked on cuda" in caplog.text


def test_an_unknown_backend_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match="'fast': choose one of auto, sdpa, flex"):
        EngineSettings(attention="fast")


@pytest.mark.parametrize("size", TESTED)
def test_backends_give_the_same_logits_of_every_family(size: str, tmp_path: Path) -> None:
    model = load_model(str(write_untrained(tmp_path, size)), device="cpu")
    ours, theirs = (windows_of(model, name) for name in ATTENTION)
    assert len(ours) == len(theirs) > 2
    for one, other in zip(ours, theirs, strict=True):
        assert (one - other).abs().max() < 1e-5 * (one.max() - one.min())


def windows_of(model: ModelAdapter, attention: str) -> list[torch.Tensor]:
    """Logits of windows with pruned, carried-over and recomputed tokens, in passes of 200."""
    size = getattr(model.preprocessing, "tile", (224, 224))
    settings = EngineSettings(
        fps=2, window=4, stride=2, frame_size=size, chunk=200, refresh="vlcache",
        attention=attention,
    )  # fmt: skip
    engine = Engine(model, settings)
    engine._pruner = type("Scripted", (ScriptedPruner,), {"shares": (1.0, 0.2, 0.0, 0.5)})
    stream = FakeStream(samples_of(noise_pictures(20)))
    watch = engine.open(stream, ["Is someone fighting?", "Is it?"])
    return [advance(watch, window) for window, _ in engine.windows(stream)]
