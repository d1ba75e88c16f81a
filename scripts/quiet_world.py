"""Writes an annotated set of the synthetic world in which nobody passes by.

    python scripts/quiet_world.py FOLDER [--videos N] [--seed N]
    costream evaluate --dataset FOLDER --policies costream --decode all,auto

In the test split somebody passes by every few seconds, so that nearly all pictures are decoded
whatever ``--decode`` says. Here a video of 80 s shows one event indoors, or none, and nothing else
but noise and the light. Encoders, places and events are drawn as those of the test split are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from costream.lab.synth import encode
from costream.lab.synth.dataset import ANNOTATIONS, LISTS, Recipe, annotation, draw_recipes
from costream.lab.synth.site import SceneKind, scenes_for
from costream.lab.synth.world import WorldCamera

SECONDS, FPS = 80.0, 12.5
INDOORS: tuple[SceneKind, ...] = ("shop", "hall", "corridor")
LOUD = ("panic", "wrong_way")
"""Kinds of event that fill the picture, or take a road."""

DRAWN = 40


def main() -> None:
    """Renders and encodes the set."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    recipes = list(quiet_recipes(chosen.seed))[: chosen.videos]
    rows = [write(recipe, chosen.folder) for recipe in recipes]
    names = "".join(f"{recipe.name}\n" for recipe in recipes)
    (chosen.folder / LISTS["test"]).write_text(names, encoding="utf-8")
    (chosen.folder / ANNOTATIONS).write_text("".join(rows), encoding="utf-8")


def quiet_recipes(seed: int) -> Iterator[Recipe]:
    """Yields the test split's recipes that fit indoors, with nothing that resembles an event."""
    for turn, recipe in enumerate(draw_recipes("test", DRAWN, seed)):
        places = [scene for scene in INDOORS if scene in scenes_for((recipe.event,))]
        if places and recipe.event not in LOUD:
            yield replace(recipe, scene=places[turn % len(places)], pretend=(), seconds=SECONDS)


def write(recipe: Recipe, folder: Path) -> str:
    """Renders and encodes a video; returns its row of the annotations."""
    width, height = recipe.size
    camera = WorldCamera(
        recipe.seed,
        scene=recipe.scene,
        event=recipe.event,
        pretend=recipe.pretend,
        seconds=recipe.seconds,
        width=width,
        height=height,
        fps=FPS,
        shake=0.0,
        passers=False,
    )
    path = folder / recipe.name
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = (camera.frame(index) for index in range(camera.frames))
    encode(pictures, path, fps=FPS, settings=recipe.settings)
    return annotation(recipe, camera)


if __name__ == "__main__":
    main()
