"""What every family has to have, whichever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from costream.engine.engine import Engine
from costream.evaluate.speed import StockSide
from costream.models import MODELS, SIZES, ModelAdapter, load_model, write_untrained
from costream.settings import EngineSettings
from tests.fakes import FakeStream, noise_pictures, samples_of

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
    side = getattr(getattr(model, "pixel_settings", None), "width", 224)
    return side, side


def stream() -> FakeStream:
    return FakeStream(samples_of(noise_pictures(14)))


@pytest.mark.parametrize("family", list(MODELS))
def test_a_family_has_checkpoints_and_a_place_in_the_docs(family: str) -> None:
    kinds = MODELS[family].model_types
    text = DOCS.read_text()
    assert all(f"`{kind}`" in text for kind in kinds)
    modules = {type(size).__module__ for name, size in SIZES.items() if name.endswith("150m")}
    assert MODELS[family].__module__ in modules


def test_the_benchmark_s_stock_side_is_what_the_engine_equals(model: ModelAdapter) -> None:
    full = engine(model, pruner="none", refresh="full")
    watch = full.open(stream(), ["Is it?"])
    side = StockSide(model, watch.questions, watch.session.geometry, fps=2)
    for window, _ in full.windows(stream()):
        verdict = watch.step(window)
        score, _ = side.step(window)
        assert verdict.answers[0].score == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("pruner", ["last-kept", "codecflow-v4", "random"])
def test_pruned_and_reused_windows_are_answered(model: ModelAdapter, pruner: str) -> None:
    watched = engine(model, pruner=pruner, refresh="anchors", keep=0.3, text=True)
    for verdict in watched.watch(stream(), ["Is it?", "Is it not?"]):
        assert all(0 <= answer.score <= 1 for answer in verdict.answers)
        assert verdict.tokens.kept <= verdict.tokens.full
        assert verdict.flops.spent <= 1.05 * verdict.flops.full
