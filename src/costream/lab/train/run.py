"""A whole training run: its stages, and the checkpoint that comes of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path

import torch

from costream.errors import SettingsError
from costream.lab.synth.events import EVENTS, EventKind
from costream.lab.train import ranks
from costream.lab.train.attention import matmul_attention
from costream.lab.train.beginning import copy_small_files, write_beginning
from costream.lab.train.closeups import CloseupStage
from costream.lab.train.code import Code
from costream.lab.train.distillation import DistillationStage
from costream.lab.train.joint import JointStage
from costream.lab.train.language import LanguageStage
from costream.lab.train.layout import FORM
from costream.lab.train.perception import BalancedStage, PerceptionStage
from costream.lab.train.pictures import frame_geometry
from costream.lab.train.progress import CURVES, HEAD, Progress
from costream.lab.train.reading import ReadingStage
from costream.lab.train.recipe import Recipe
from costream.lab.train.stage import Stage
from costream.lab.train.teacher import TeacherStage
from costream.lab.train.validation import choose_calibration, judge_validation, summarise
from costream.models import FrameGeometry, ModelAdapter, load_model

STAGES: dict[str, tuple[type[Stage], tuple[str, ...]]] = {
    "teacher": (TeacherStage, ()),
    "distillation": (DistillationStage, ()),
    "perception": (PerceptionStage, ("distillation",)),
    "balanced": (BalancedStage, ("perception",)),
    "closeups": (CloseupStage, ("balanced",)),
    "language": (LanguageStage, ()),
    "reading": (ReadingStage, ("closeups", "language")),
    "joint": (JointStage, ("closeups", "reading")),
}
"""Stages in order, and after which others each can begin."""

BEGUN = "begun"
"""The directory, in a run's folder, of the checkpoint that it began from."""

JUDGED = "judged.jsonl"
"""What the trained model said of each video, in a run's folder."""

VALIDATION = 720
"""How many they are where nothing else is said."""


def train(
    recipe: Recipe,
    folder: Path,
    *,
    stages: Sequence[str] = tuple(STAGES),
    device: str = "cpu",
    validation: int | None = None,
) -> Path:
    """Trains a model, or goes on where an earlier run was cut off.

    Started by ``torchrun``, several processes share the work of a batch; the weights are then
    others than those of one process.

    Args:
        recipe: everything that the result follows from.
        folder: for checkpoints, curves and the model.
        stages: which to run. Two that don't need each other may run side by side.
        device: a torch device.
        validation: videos that the trained model is judged on, and its scores are calibrated by;
            :data:`VALIDATION` where None.

    Returns:
        The directory of the trained checkpoint, in the Hugging Face layout, or the folder where
        the last stage was not asked for.

    Raises:
        SettingsError: there is no such stage, or one that it needs has not ended.
    """
    ranks.join()
    progress = Progress(folder)
    (folder / "recipe.json").write_text(json.dumps(recipe.to_dict(), indent=2))
    begin = folder / BEGUN
    if not begin.exists() and not ranks.rank():
        write_beginning(begin, recipe)
    ranks.wait()
    for name in stages:
        if name not in STAGES:
            raise SettingsError(f"unknown stage {name!r}: choose of {', '.join(STAGES)}")
        if recipe.has(name) and not progress.is_done(name):
            _run(name, recipe, begin, progress, device)
    if "joint" not in stages or ranks.rank():
        return folder
    model, _ = _load(begin, recipe, device)
    last = ["joint"] if recipe.has("joint") else _needed("joint", recipe)
    progress.resume(last, model.model)
    target = _export(model, recipe, folder)
    judged = judge_validation(target, recipe, validation or VALIDATION, folder / JUDGED)
    even = choose_calibration(judged)
    progress.note("end", 0, summarise(judged, even))
    _recommend(recipe, even, target)
    shutil.copy(folder / CURVES, target)
    return target


def _run(name: str, recipe: Recipe, begin: Path, progress: Progress, device: str) -> None:
    stage, needed = STAGES[name][0], _needed(name, recipe)
    for other in needed:
        if not progress.is_done(other):
            raise SettingsError(f"{name} needs the stage {other}, which has not ended")
    model, geometry = _load(begin, recipe, device)
    progress.resume(needed, model.model)
    code = Code(model.embed(model.prompt(), None).shape[-1], recipe.seed)
    with matmul_attention():
        learning = stage(model, geometry, code, recipe)
        learning.learn(progress)
    progress.finish(name, learning.learnt)


def _needed(name: str, recipe: Recipe) -> list[str]:
    """Returns the stages that one goes on from: for one that is left out, those that it needs."""
    needed: list[str] = []
    for other in STAGES[name][1]:
        needed += [other] if recipe.has(other) else _needed(other, recipe)
    return needed


def _load(begin: Path, recipe: Recipe, device: str) -> tuple[ModelAdapter, FrameGeometry]:
    model = load_model(str(begin), device=device, dtype=torch.float32)
    return model, frame_geometry(model, recipe)


def _export(model: ModelAdapter, recipe: Recipe, folder: Path) -> Path:
    """Writes the trained weights, in half precision, beside what the checkpoint began with."""
    target = folder / "model"
    copy_small_files(folder / BEGUN, target)
    for name in ("recipe.json", HEAD):
        shutil.copy(folder / name, target)
    _recommend(recipe, {}, target)
    model.model.to(torch.float16).save_pretrained(target)
    return target


def _recommend(recipe: Recipe, even: Mapping[EventKind, float], target: Path) -> None:
    """Writes how the checkpoint wants to be used, with the log odds that stand for a score of 0.5.

    A question is calibrated as all of its kind are.
    """
    recommended = {
        "fps": recipe.fps,
        "window": recipe.window,
        "stride": recipe.stride,
        "frame_size": recipe.frame_size,
        "ask_form": FORM,
        "calibration": {
            question: round(1 / (1 + exp(-odds)), 4)
            for kind, odds in even.items()
            for question in EVENTS[kind].questions
        },
    }
    (target / "costream.json").write_text(json.dumps(recommended, indent=2))
