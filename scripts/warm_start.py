"""What a warm start is worth to a vision encoder: its loss at equal steps, with and without.

    python scripts/warm_start.py [--steps 60] [--batch 4] [--clips 28]

The encoder of ``costream/tiny-internvl`` begins from random weights, and from ``costream/tiny``'s.
Either learns from the same few clips, drawn alike, and is judged on eight of other scenes. The rate
rises and falls within these steps. Everything runs in this process, on one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from costream.lab.synth import draw_recipes
from costream.lab.train import RECIPES, Recipe
from costream.lab.train.attention import MatmulAttention
from costream.lab.train.beginning import write_beginning
from costream.lab.train.clips import Clip, make_pairs
from costream.lab.train.code import Code
from costream.lab.train.optimiser import Optimiser
from costream.lab.train.perception import code_loss
from costream.lab.train.view import draw_view
from costream.models import load_model

JUDGED = 8
SHOWN = (0, 4, 9, 13)
"""Temporal patches of each clip that are judged."""

TOGETHER, TIGHTEST, POINTS, SEED = 4, 0.8, 4, 7


def main() -> None:
    """Trains both in turn and prints a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--clips", type=int, default=28)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = RECIPES["tiny-internvl"]
    recipe = replace(
        recipe, perception=replace(recipe.perception, steps=options.steps, batch=options.batch)
    )
    videos = draw_recipes("train", options.clips + JUDGED, SEED)
    clips = [make_pairs(recipe, 1, number, video) for number, video in enumerate(videos)]
    for name, own in (("random", replace(recipe, warm_start=None)), ("warm", recipe)):
        losses = learn(own, clips[JUDGED:], clips[:JUDGED])
        print(name, *(f"{step}: {loss:.3f}" for step, loss in losses), flush=True)


def learn(recipe: Recipe, clips: Sequence[Clip], judged: Sequence[Clip]) -> list[tuple[int, float]]:
    """Returns the loss on clips that are not learnt from, by step."""
    with TemporaryDirectory() as folder:
        write_beginning(Path(folder) / "begun", recipe)
        model = load_model(str(Path(folder) / "begun"), device="cpu", dtype=torch.float32)
    geometry = model.geometry(448, 256, round(recipe.window * recipe.fps), recipe.frame_size)
    code = Code(model.embed(model.prompt(), None).shape[-1], recipe.seed)
    optimiser = Optimiser([model.model], recipe.perception)

    @torch.no_grad()
    def judge() -> float:
        return float(code_loss(model, geometry, code, [(clip, SHOWN, None) for clip in judged]))

    losses = [(0, judge())]
    with MatmulAttention():
        for step in range(recipe.perception.steps):
            draw = np.random.default_rng((SEED, step))
            viewed = []
            for number in draw.choice(len(clips), recipe.perception.batch, replace=False):
                clip = clips[number]
                patches = len(clip.truths) // model.temporal_patch
                shown = draw.choice(patches, TOGETHER, replace=False).tolist()
                viewed.append((clip, shown, draw_view(clip, draw, TIGHTEST)))
            code_loss(model, geometry, code, viewed).backward()
            optimiser.step()
            if (step + 1) % (recipe.perception.steps // POINTS) == 0:
                losses.append((step + 1, judge()))
    return losses


if __name__ == "__main__":
    main()
