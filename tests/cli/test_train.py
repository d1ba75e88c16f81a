from __future__ import annotations

import json
from pathlib import Path

import pytest

from costream.lab.train import RECIPES, Recipe, StageRecipe
from costream.lab.train import run as run_module
from costream.lab.train import stage as stage_module
from tests.cli.conftest import Command

STAGE, NONE = (StageRecipe(steps, 1, 1e-3, pool=2, fresh=0.0) for steps in (1, 0))
SMALL = Recipe(
    "test",
    perception=STAGE,
    closeups=NONE,
    language=NONE,
    joint=STAGE,
    window=4.0,
    frame_size=(128, 128),
)
"""Stages whose clips are rendered in processes of their own; each starts one."""


def test_train_ends_with_a_model_and_its_curves(
    costream: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "small", SMALL)
    monkeypatch.setattr(run_module, "VALIDATION", 1)
    monkeypatch.setattr(stage_module, "NOTE_EVERY", 1)
    result = costream("train", "small", "--out", tmp_path, "--plot")
    assert result.status == 0
    assert (tmp_path / "model" / "model.safetensors").exists()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_an_unknown_recipe_is_one_sentence(costream: Command, tmp_path: Path) -> None:
    result = costream("train", "huge", "--out", tmp_path)
    assert result.status == 1
    assert "unknown recipe 'huge': choose one of tiny" in result.err


def test_going_on_needs_a_model_that_was_trained_here(
    costream: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "small", SMALL)
    result = costream("train", "small", "--from", tmp_path, "--out", tmp_path / "out")
    assert result.status == 1
    assert "has no recipe.json of a training" in result.err
    (tmp_path / "recipe.json").write_text(json.dumps(SMALL.to_dict()))
    result = costream("train", "small", "--from", tmp_path, "--out", tmp_path / "out")
    assert result.status == 1
    assert "say by --steps how many more" in result.err
