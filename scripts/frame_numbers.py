"""Says how a trained model answers where its windows begin at later frame numbers or timestamps.

    python scripts/frame_numbers.py costream/tiny-internvl --recipe tiny-internvl

Whole windows of validation videos, from which nothing was learnt, are asked every question, each
window as if it began at one frame of its stream after another. A row tells, of one of them: the
average precision over all answers, the share of answers that are another yes or no than at the
first frame, and how far log odds move from there (root mean square).
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
import torch

from costream.lab.evaluate.metrics import average_precision
from costream.lab.synth import draw_recipes
from costream.lab.synth.events import EVENTS
from costream.lab.train import RECIPES, Recipe
from costream.lab.train.clips import Clip, make_window
from costream.lab.train.layout import Dialogue, hidden_states, lay_out
from costream.lab.train.pictures import encode_patches, frame_geometry
from costream.lab.train.windows import Example, list_examples, timestamps_from
from costream.models import FrameGeometry, ModelAdapter, load_model

SEED = 6

FIRSTS = (0, 1, 10, 40, 100, 300, 700, 2000, 5000, 20000)
"""Temporal patches of the stream that lie before the window."""


def main() -> None:
    """Prints a row for each beginning."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="name or directory of a checkpoint")
    parser.add_argument("--recipe", default="tiny", choices=sorted(RECIPES))
    parser.add_argument("--videos", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    odds, shown = ask_windows(options.model, RECIPES[options.recipe], options.videos)
    print(f"{len(shown)} answers, {int(shown.sum())} of them yes")
    print("  first     AP  flips  moved")
    for first, row in zip(FIRSTS, odds, strict=True):
        flips = ((row > 0) != (odds[0] > 0)).mean()
        moved = np.sqrt(np.square(row - odds[0]).mean())
        print(f"{first:7} {average_precision(row, shown) or 0.0:6.3f} {flips:6.2%} {moved:6.2f}")


@torch.no_grad()
def ask_windows(
    name: str, recipe: Recipe, count: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Returns log odds of a yes [firsts, answers], and what the right answers are [answers]."""
    model = load_model(name, device="cpu", dtype=torch.float32)
    geometry = frame_geometry(model, recipe)
    odds: list[npt.NDArray[np.float64]] = []
    shown: list[bool] = []
    for number, video in enumerate(draw_recipes("validation", count, SEED)):
        clip = make_window(recipe, model.temporal_patch, number, video)
        example = list_examples([clip], recipe, model.temporal_patch)[0]
        odds.append(ask(model, geometry, recipe, clip, example))
        shown += example.shown.values()
    return np.concatenate(odds, axis=1), np.array(shown)


def ask(
    model: ModelAdapter, geometry: FrameGeometry, recipe: Recipe, clip: Clip, example: Example
) -> npt.NDArray[np.float64]:
    """Returns log odds of a yes of a window, [firsts, questions]."""
    numbers = range(example.first, example.first + example.length)
    visuals = encode_patches(model, geometry, [(clip, numbers, None)])
    asked = [Dialogue(EVENTS[kind].questions[0], EVENTS[kind].yes, False) for kind in example.shown]
    rows = []
    for first in FIRSTS:
        timestamps = timestamps_from(first, example.length, recipe, model.temporal_patch)
        layout = lay_out(model, geometry, timestamps, asked)
        logits = model.logits(hidden_states(model, layout, visuals)[layout.sources]).float()
        yes, no = (logits[:, ids].logsumexp(1) for ids in (model.yes_ids, model.no_ids))
        rows.append((yes - no).double().numpy())
    return np.stack(rows)


if __name__ == "__main__":
    main()
