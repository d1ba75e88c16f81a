"""The vision encoder learns from close-ups of what is rare, beside whole frames.

What tells one event from another is a few patches of a frame, and rare. A close-up is a few merge
groups of a frame, encoded without the others as what is left of a pruned frame is: they keep their
places, which every family knows in its own way, and cost a fraction of a frame. What it shows can
be chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from costream.lab.train import ranks
from costream.lab.train.catalogue import Catalogue
from costream.lab.train.clips import make_pairs, open_reel
from costream.lab.train.perception import TIGHTEST, code_loss
from costream.lab.train.pictures import Kept, Viewed
from costream.lab.train.progress import Progress
from costream.lab.train.stage import Stage, run_stage

GROUPS = 4
"""Merge groups along a close-up's sides."""

OFF = 1.5
"""Merge groups by which what is shown may be off its middle."""

WHOLE = 4
"""Temporal patches of whole frames in a batch, so that the encoder remembers these too."""


@dataclass(frozen=True, slots=True)
class Closeup:
    """A part of one temporal patch.

    Attributes:
        viewed: the temporal patch, and how it is looked at.
        kept: bool [groups], true for the merge groups that are encoded.
    """

    viewed: Viewed
    kept: Kept


class CloseupStage(Stage):
    """The stage. The vision encoder learns, and what joins it to the language model."""

    def learn(self, progress: Progress) -> None:
        stage, recipe, patch = self.recipe.closeups, self.recipe, self.model.temporal_patch

        with open_reel(partial(make_pairs, recipe, patch), recipe, 4, stage) as reel:
            catalogue, shape = Catalogue(patch, TIGHTEST), self.geometry.grid.group_shape

            def learn(step: int, draw: np.random.Generator) -> dict[str, float]:
                catalogue.follow(reel.at(step))
                count = max(1, stage.batch // ranks.world())
                near = [draw_closeup(catalogue, shape, draw) for _ in range(count)]
                far = [catalogue.draw_any(draw) for _ in range(WHOLE)]
                close, kept = [one.viewed for one in near], [one.kept for one in near]
                seen = code_loss(self.model, self.geometry, self.code, close, kept)
                whole = code_loss(self.model, self.geometry, self.code, far)
                torch.autograd.backward(seen + 0.5 * whole)
                return {"loss": seen.item(), "whole": whole.item()}

            modules = {"model": self.model.model}
            run_stage("closeups", stage, modules, learn, progress, recipe.seed)


def draw_closeup(
    catalogue: Catalogue, shape: tuple[int, int], draw: np.random.Generator
) -> Closeup:
    """Draws a close-up: everything that can be shown is drawn equally often.

    Args:
        catalogue: of the clips at hand.
        shape: rows and columns of a frame's merge groups.
        draw: the source of chance.
    """
    viewed, place = catalogue.draw_shown(draw)
    return Closeup(viewed, block_around(place, shape, draw))


def block_around(
    place: tuple[float, float], shape: tuple[int, int], draw: np.random.Generator
) -> Kept:
    """Chooses the merge groups of a close-up: bool [groups].

    Args:
        place: the middle of what to show, in shares of width and height.
        shape: rows and columns of merge groups.
        draw: by how much it is off the middle.
    """
    kept = np.zeros(shape, np.bool_)
    corner = [
        round(np.clip(share * count - GROUPS / 2 + draw.uniform(-OFF, OFF), 0, count - GROUPS))
        for share, count in zip(place, reversed(shape), strict=True)
    ]
    kept[corner[1] : corner[1] + GROUPS, corner[0] : corner[0] + GROUPS] = True
    return kept.ravel()
