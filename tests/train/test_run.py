"""A whole run at a size that takes seconds: that it goes through, goes on, and gives a model."""

import json

import pytest
import torch

from costream.models import load_model
from costream.train import Recipe, StageRecipe, train
from costream.train import run as run_module

RECIPE = Recipe(
    "test",
    cells=StageRecipe(3, 4, 2, 1e-3),
    events=StageRecipe(2, 4, 2, 1e-3),
    answers=StageRecipe(3, 2, 2, 1e-3),
    joint=StageRecipe(2, 1, 1, 1e-3),
    frame_size=(64, 64),
)


@pytest.fixture(autouse=True)
def few_clips(monkeypatch):
    monkeypatch.setattr(run_module, "VALIDATION", 1)


def test_a_run_ends_in_a_checkpoint_that_loads(tmp_path):
    target = train(RECIPE, tmp_path)
    trained = load_model(str(target), device="cpu")
    begun = load_model(str(tmp_path / "untrained"), device="cpu")
    moved = [
        not torch.equal(one, other)
        for one, other in zip(trained.model.parameters(), begun.model.parameters(), strict=True)
    ]
    assert sum(moved) > len(moved) / 2
    assert json.loads((target / "recipe.json").read_text())["seed"] == RECIPE.seed
    assert json.loads((target / "costream.json").read_text())["window"] == RECIPE.window


def test_a_run_that_was_cut_off_goes_on_where_it_stood(tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(run_module, "AnswerStage", stop)
        train(RECIPE, tmp_path)
    with monkeypatch.context() as watched:
        watched.setattr(run_module, "CellStage", stop)
        assert (train(RECIPE, tmp_path) / "model.safetensors").exists()
