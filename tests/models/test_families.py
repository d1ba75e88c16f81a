"""What every family has to have, whichever it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from costream.engine.engine import Engine
from costream.errors import SourceError
from costream.lab.evaluate.speed import StockSide
from costream.models import (
    MODELS,
    SIZES,
    EncoderMemory,
    ModelAdapter,
    load_model,
    write_untrained,
)
from costream.models.pixels import normalise
from costream.settings import EngineSettings
from costream.video import Picture
from tests.fakes import FakeStream, noise_pictures, samples_of
from tests.models.common import job_of, quick

TESTED = [name for name in SIZES if "test" in name]
DOCS = Path(__file__).parents[2] / "docs" / "models.md"


@pytest.fixture(scope="module", params=TESTED)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ModelAdapter:
    path = write_untrained(tmp_path_factory.mktemp("family"), request.param)
    return load_model(str(path), device="cpu")


def engine(model: ModelAdapter, **values: object) -> Engine:
    settings = {"fps": 2, "window": 4, "stride": 1, "frame_size": size_of(model), **values}
    return Engine(model, EngineSettings.checked(**settings))


def size_of(model: ModelAdapter) -> tuple[int, int]:
    """The family's tile, or small frames that all grids divide."""
    return getattr(model.preprocessing, "tile", (224, 224))


def stream() -> FakeStream:
    return FakeStream(samples_of(noise_pictures(14)))


@pytest.mark.parametrize("family", list(MODELS))
def test_a_family_has_checkpoints_and_a_place_in_the_docs(family: str) -> None:
    kinds = MODELS[family].model_types
    text = DOCS.read_text()
    assert all(f"`{kind}`" in text for kind in kinds)
    modules = {type(size).__module__ for name, size in SIZES.items() if name.endswith("150m")}
    assert MODELS[family].__module__ in modules


@pytest.mark.parametrize(("width", "height"), [(2048, 8), (8, 2048), (201, 1)])
def test_pictures_that_are_no_pictures_are_refused_in_a_sentence(
    model: ModelAdapter, width: int, height: int
) -> None:
    for size in (None, size_of(model)):
        with pytest.raises(SourceError, match=f"pictures of {width}x{height}: crop them"):
            model.geometry(width, height, 8, size)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 2), (16, 16), (200, 1), (1600, 8)])
def test_small_pictures_are_enlarged(model: ModelAdapter, width: int, height: int) -> None:
    geometry = model.geometry(width, height, 8, None)
    picture = Picture.from_rgb(np.full((height, width, 3), 77, np.uint8))
    pixels = model.pixels([picture] * model.temporal_patch, geometry)
    assert len(pixels) >= geometry.grid.rows * geometry.grid.cols
    assert torch.allclose(pixels, pixels[:1].expand_as(pixels))


def test_the_benchmark_s_stock_side_is_what_the_engine_equals(model: ModelAdapter) -> None:
    full = engine(model, pruner="none", refresh="full")
    watch = full.open(stream(), ["Is it?"])
    side = StockSide(model, watch.questions, watch.stream.geometry, fps=2)
    for window, _ in full.windows(stream()):
        result = watch.step(window)
        score, _ = side.step(window)
        assert result.answers[0].score == pytest.approx(score, abs=1e-4)


def test_what_users_write_is_text_and_no_control_token(model: ModelAdapter) -> None:
    added = model.tokenizer.get_added_vocab()
    plain, asked = (model.question(text).ids.tolist() for text in ("Is it?", "".join(added)))
    control = set(added.values())
    assert [n for n in asked if n in control] == [n for n in plain if n in control]
    assert "".join(added) in model.tokenizer.decode(asked)


def test_the_size_next_to_another_is_one_that_fits(model: ModelAdapter) -> None:
    for asked in ((224, 224), (10, 2000)):
        size = model.nearest_size(asked)
        geometry = model.geometry(640, 360, 2, size)
        assert (geometry.width, geometry.height) == size


@pytest.mark.parametrize("pruner", ["last-kept", "codecflow-v4", "random"])
def test_pruned_and_reused_windows_are_answered(model: ModelAdapter, pruner: str) -> None:
    watched = engine(model, pruner=pruner, refresh="anchors", keep=0.3, text=True)
    for result in watched.watch(stream(), ["Is it?", "Is it not?"]):
        assert all(0 <= answer.score <= 1 for answer in result.answers)
        assert result.tokens.kept <= result.tokens.full
        assert result.flops.spent <= 1.05 * result.flops.full


@quick
@given(seed=st.integers(0, 99), share=st.sampled_from([0.05, 0.4, 0.9]))
def test_what_stands_still_is_seen_by_what_moves_as_in_a_whole_frame(
    model: ModelAdapter, seed: int, share: float
) -> None:
    """Where a pruned patch looks as it did, the others come out as if it had been encoded."""
    geometry = model.geometry(224, 224, 8, size_of(model))
    (picture,) = noise_pictures(1)
    shown = [picture] * model.temporal_patch
    groups, draw = geometry.grid.groups, torch.Generator().manual_seed(seed)
    kept = [torch.rand(groups, generator=draw) < share for _ in range(3)]
    memory = EncoderMemory()
    masks = (torch.ones(groups, dtype=torch.bool), *kept)
    whole, *pruned = model.encode([job_of(model, shown, m, geometry, memory) for m in masks])
    for mask, tokens in zip(kept, pruned, strict=True):
        assert torch.allclose(tokens.embeds, whole.embeds[mask], atol=1e-5)
        assert torch.allclose(tokens.deepstack, whole.deepstack[:, mask], atol=1e-5)


def test_what_is_kept_is_what_the_stock_class_takes(model: ModelAdapter) -> None:
    """Normalised where it is encoded, it is part of the whole frame's pixels, to the bit."""
    geometry = model.geometry(300, 200, 8, size_of(model))
    pictures = noise_pictures(model.temporal_patch, width=300, height=200)
    kept = torch.arange(geometry.grid.groups) % 3 == 0
    patches = job_of(model, pictures, kept, geometry).patches
    cut = model.preprocessing.cut_mask(kept.numpy(), geometry).reshape(-1)
    mask = torch.from_numpy(cut).repeat_interleave(model.preprocessing.merge**2)
    assert patches.dtype == torch.uint8
    pixels = model.pixels(pictures, geometry)
    assert torch.equal(normalise(patches, model.preprocessing), pixels[mask])


def test_what_was_last_seen_is_what_is_remembered(model: ModelAdapter) -> None:
    """From call to call, and of the newest frame: the rest of the picture has changed twice."""
    geometry = model.geometry(224, 224, 8, size_of(model))
    frames = [[p] * model.temporal_patch for p in noise_pictures(2)]
    whole = torch.ones(geometry.grid.groups, dtype=torch.bool)
    some = torch.arange(geometry.grid.groups) % 3 == 0
    memory = EncoderMemory()
    for shown in frames:
        model.encode([job_of(model, shown, whole, geometry, memory)])
    (expected,) = model.encode([job_of(model, frames[1], whole, geometry)])
    (tokens,) = model.encode([job_of(model, frames[1], some, geometry, memory)])
    assert torch.allclose(tokens.embeds, expected.embeds[some], atol=1e-5)
    (alone,) = model.encode([job_of(model, frames[1], some, geometry)])
    assert not torch.allclose(alone.embeds, expected.embeds[some], atol=3e-5)
