"""A whole training run: clips, three stages, and the checkpoint that comes of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from costream.models import ModelAdapter, load_model, write_untrained
from costream.synth.dataset import Split
from costream.train.answer_stage import AnswerStage, encode_clips
from costream.train.cell_stage import CellStage
from costream.train.clips import Clip, load_clips
from costream.train.layout import all_words
from costream.train.progress import Progress
from costream.train.recipe import Recipe
from costream.train.validation import score_windows, summarise

EVENTFUL = 0.65
"""Share of the second stage's patches that lie within an event."""

VALIDATION = 60
"""Clips that a model is judged on when a stage has ended."""


def train(recipe: Recipe, folder: Path, *, device: str = "cpu") -> Path:
    """Trains a model, or goes on where an earlier run was cut off.

    Args:
        recipe: everything that the result follows from.
        folder: for clips, checkpoints, curves and the model.
        device: a torch device.

    Returns:
        The directory of the trained checkpoint, in the Hugging Face layout.
    """
    progress = Progress(folder)
    (folder / "recipe.json").write_text(json.dumps(recipe.to_dict(), indent=2))
    begin = folder / "untrained"
    if not begin.exists():
        write_untrained(begin, recipe.size, seed=recipe.seed, corpus=all_words())
    model = load_model(str(begin), device=device, dtype=torch.float32)
    geometry = model.geometry(448, 256, round(recipe.window * recipe.fps), recipe.frame_size)

    def clips(split: Split, count: int) -> list[Clip]:
        return load_clips(folder / "clips", recipe, split, count)

    if not progress.is_done("cells"):
        seen = clips("train", recipe.cells.clips)
        CellStage(model, geometry, seen, recipe).learn("cells", recipe.cells, 0.0, progress)
        progress.finish("cells", model.model)
    if not progress.is_done("events"):
        progress.resume("cells", model.model)
        seen = clips("train", recipe.events.clips)
        CellStage(model, geometry, seen, recipe).learn("events", recipe.events, EVENTFUL, progress)
        progress.finish("events", model.model)
    if not progress.is_done("answers"):
        progress.resume("events", model.model)
        seen = clips("train", recipe.answers.clips)
        features = encode_clips(model, geometry, seen)
        AnswerStage(model, geometry, seen, recipe).learn_resting(features, progress)
        progress.finish("answers", model.model)
    if not progress.is_done("joint"):
        progress.resume("answers", model.model)
        seen = clips("train", recipe.joint.clips)
        AnswerStage(model, geometry, seen, recipe).learn_jointly(progress)
        progress.finish("joint", model.model)
    progress.resume("joint", model.model)
    held = clips("validation", VALIDATION)
    scored = score_windows(model, geometry, held, recipe)
    progress.note("end", 0, summarise(scored, held, recipe.threshold))
    return _export(model, recipe, folder)


def _export(model: ModelAdapter, recipe: Recipe, folder: Path) -> Path:
    """Writes the trained weights, in half precision, beside what the checkpoint began with."""
    target = folder / "model"
    target.mkdir(exist_ok=True)
    for file in (folder / "untrained").iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, target)
    for name in ("recipe.json", "curves.jsonl"):
        shutil.copy(folder / name, target)
    recommended = {
        "fps": recipe.fps,
        "window": recipe.window,
        "stride": recipe.stride,
        "frame_size": recipe.frame_size,
        "threshold": recipe.threshold,
    }
    (target / "costream.json").write_text(json.dumps(recommended, indent=2))
    model.model.to(torch.float16).save_pretrained(target)
    return target
