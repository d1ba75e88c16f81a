"""Says how well a trained vision encoder tells each thing apart, one mark of the code at a time.

    python scripts/encoder_marks.py costream/tiny
    python scripts/encoder_marks.py out/train/model --recipe tiny-internvl --videos 28

The loss of training is an average over groups that mostly show nothing. This is the average
precision over the merge groups of validation videos with an event, for each label, action and event
that the encoder is to write into its tokens, with how many groups show it. Behind them is the share
of moving groups of which it tells right whether they go left or right.
"""

from __future__ import annotations

import argparse

import numpy as np
import numpy.typing as npt
import torch

from costream.lab.evaluate.metrics import average_precision
from costream.lab.synth import draw_recipes
from costream.lab.train import RECIPES
from costream.lab.train.clips import make_pairs
from costream.lab.train.code import EVENTS, MARKS, SEEN, Code
from costream.lab.train.perception import label_patches
from costream.lab.train.pictures import encode_patches, frame_geometry
from costream.models import load_model

SEED = 5

SLOWEST = 0.2
"""Speed, as the code counts it, from which a group moves to one side."""


def main() -> None:
    """Prints a row for each mark, and one for the direction."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="name or directory of a checkpoint")
    parser.add_argument("--recipe", default="tiny", choices=sorted(RECIPES))
    parser.add_argument("--videos", type=int, default=28)
    options = parser.parse_args()
    torch.set_num_threads(1)
    read, shown = read_marks(options.model, options.recipe, options.videos)
    for mark, name in enumerate((*SEEN, *(f"event {event}" for event in EVENTS))):
        precision = average_precision(read[:, mark].astype(np.float64), shown[:, mark] > 0)
        told = "-" if precision is None else f"{precision:.2f}"
        print(f"{name:18} {told:>5} {int(shown[:, mark].sum()):6}")
    # NaN, where nothing could move, is not faster than anything.
    moving = np.abs(shown[:, MARKS]) > SLOWEST
    right = np.sign(read[moving, MARKS]) == np.sign(shown[moving, MARKS])
    print(f"{'direction':18} {right.mean():5.2f} {int(moving.sum()):6}")


@torch.no_grad()
def read_marks(
    name: str, of: str, count: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Returns what is read from tokens, and what is shown, both [groups, values] of the code."""
    recipe, model = RECIPES[of], load_model(name, device="cpu", dtype=torch.float32)
    geometry = frame_geometry(model, recipe)
    code = Code(model.embed(model.prompt(), None).shape[-1], recipe.seed)
    videos = [v for v in draw_recipes("validation", 4 * count, SEED) if v.event is not None]
    read, shown = [], []
    for number, video in enumerate(videos[:count]):
        clip = make_pairs(recipe, model.temporal_patch, number, video)
        # Every temporal patch of pairs, every second one of single frames.
        numbers = range(0, len(clip.truths) // model.temporal_patch, 3 - model.temporal_patch)
        viewed = [(clip, numbers, None)]
        tokens = torch.cat([each.embeds for each in encode_patches(model, geometry, viewed)])
        read.append(code.read(tokens.float()).numpy())
        shown.append(label_patches(model, geometry, viewed).numpy())
    return np.concatenate(read), np.concatenate(shown)


if __name__ == "__main__":
    main()
