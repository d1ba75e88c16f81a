"""The checkpoint that a run begins from: random weights, or what others have learnt before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from costream.checkpoints import checkpoint_path
from costream.errors import SettingsError
from costream.lab.train.layout import all_words
from costream.lab.train.neighbours import look_at_neighbours
from costream.lab.train.progress import CURVES, HEAD
from costream.lab.train.recipe import Recipe
from costream.lab.train.warm_start import warm_start
from costream.models import load_model, write_untrained
from costream.models.internvl import InternVLAdapter

WEIGHTS = ".safetensors"


def go_on_from(recipe: Recipe, checkpoint: str, steps: int | None) -> Recipe:
    """Returns the recipe of a run that goes on from a checkpoint of an earlier one.

    Args:
        recipe: that of the model.
        checkpoint: name or directory of the trained model.
        steps: of the recipe's last stage from there; what is left of the recipe where None.

    Raises:
        SettingsError: the checkpoint does not say what it has learnt, has learnt all of it, or has
            learnt from frames of another size.
    """
    try:
        told = json.loads((Path(checkpoint_path(checkpoint)) / "recipe.json").read_text())
        behind = {name: _behind(told.get(name, {})) for name in recipe.stages}
        width, height = map(int, told["frame_size"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{checkpoint!r} has no recipe.json of a training: name a model that was trained here"
        ) from error
    if (width, height) != recipe.frame_size:
        wanted = "x".join(map(str, recipe.frame_size))
        raise SettingsError(
            f"{checkpoint!r} has learnt from frames of {width}x{height}, and its recipe has "
            f"{wanted} by now: train it from the beginning, without --from"
        )
    going = {
        name: replace(stage, first=behind[name], steps=max(0, stage.steps - behind[name]))
        for name, stage in recipe.stages.items()
    }
    if steps is not None:
        going[recipe.last] = replace(going[recipe.last], steps=steps)
    if not any(stage.steps for stage in going.values()):
        raise SettingsError(
            f"{checkpoint!r} has the steps of its recipe behind it: say by --steps how many more "
            "it is to take"
        )
    changed: dict[str, Any] = {"goes_on_from": checkpoint, **going}
    return replace(recipe, **changed)


def _behind(told: Mapping[str, Any]) -> int:
    """Returns the steps that a stage has behind it, by what a checkpoint's recipe tells of it."""
    return int(told.get("first", 0)) + int(told.get("steps", 0))


def write_beginning(target: Path, recipe: Recipe) -> None:
    """Writes the checkpoint that a run begins from, at once or not at all.

    Stages that are started side by side may each write it: the first that is done counts, and the
    others take what it has written. A run that goes on takes the curves and the head of the earlier
    one into its own folder, the one above the checkpoint.

    Args:
        target: the directory to write.
        recipe: the run.

    Raises:
        OSError: it can't be written.
    """
    with TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as folder:
        aside = Path(folder) / target.name
        _fill(aside, target.parent, recipe)
        try:
            aside.rename(target)
        except OSError:
            if not target.is_dir():
                raise


def _fill(aside: Path, run: Path, recipe: Recipe) -> None:
    if recipe.goes_on_from is not None:
        # Its files alone: the run's own folder may lie in it.
        aside.mkdir()
        for file in filter(Path.is_file, Path(checkpoint_path(recipe.goes_on_from)).iterdir()):
            shutil.copy(file, aside)
        for name in (CURVES, HEAD):
            if (aside / name).exists():
                shutil.copy(aside / name, run)
    else:
        _write_begun(aside, recipe)


def copy_small_files(source: Path, target: Path) -> None:
    """Copies what a checkpoint has beside its weights."""
    target.mkdir(exist_ok=True)
    for file in source.iterdir():
        if file.suffix != WEIGHTS:
            shutil.copy(file, target)


def _write_begun(target: Path, recipe: Recipe) -> None:
    with TemporaryDirectory() as folder:
        untrained = write_untrained(Path(folder), recipe.size, seed=recipe.seed, corpus=all_words())
        model = load_model(str(untrained), device="cpu", dtype=torch.float32)
        if recipe.warm_start is not None:
            warm_start(model, load_model(recipe.warm_start, device="cpu", dtype=torch.float32))
        if isinstance(model, InternVLAdapter):
            look_at_neighbours(model, recipe.seed)
        copy_small_files(untrained, target)
        model.model.save_pretrained(target)
