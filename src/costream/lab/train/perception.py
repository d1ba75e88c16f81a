"""The vision encoder learns to write into its tokens what whole frames show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from costream.lab.train import ranks
from costream.lab.train.catalogue import open_frames
from costream.lab.train.clips import Clip, make_pairs, open_reel
from costream.lab.train.code import Code, label_patch
from costream.lab.train.pictures import Kept, Viewed, encode_patches
from costream.lab.train.progress import Progress
from costream.lab.train.stage import Stage, run_stage
from costream.lab.train.view import draw_view
from costream.models import FrameGeometry, ModelAdapter

TIGHTEST = 0.8
"""Smallest share of the picture's sides that is left in a view."""

TOGETHER = 4
"""Temporal patches of one clip in a batch."""


class PerceptionStage(Stage):
    """The stage. The vision encoder learns, and what joins it to the language model."""

    def learn(self, progress: Progress) -> None:
        stage, recipe = self.recipe.perception, self.recipe
        make = partial(make_pairs, recipe, self.model.temporal_patch)

        with open_reel(make, recipe, 1, stage) as reel:

            def learn(step: int, draw: np.random.Generator) -> dict[str, float]:
                clips, count = reel.at(step), max(1, stage.batch // ranks.world())
                chosen = [clips[n] for n in draw.choice(len(clips), count, replace=False)]
                loss = self._loss(chosen, draw)
                torch.autograd.backward(loss)
                return {"loss": loss.item()}

            run_stage(
                "perception", stage, {"model": self.model.model}, learn, progress, recipe.seed
            )

    def _loss(self, clips: Sequence[Clip], draw: np.random.Generator) -> Tensor:
        viewed = []
        for clip in clips:
            count = len(clip.truths) // self.model.temporal_patch
            numbers = draw.choice(count, TOGETHER, replace=False).tolist()
            viewed.append((clip, numbers, draw_view(clip, draw, TIGHTEST)))
        return code_loss(self.model, self.geometry, self.code, viewed)


class BalancedStage(Stage):
    """The stage after it: the same, from frames that show what is rare as often as the rest."""

    def learn(self, progress: Progress) -> None:
        stage, recipe, patch = self.recipe.balanced, self.recipe, self.model.temporal_patch

        with open_frames(recipe, stage, patch, TIGHTEST, 8) as draw_batch:

            def learn(step: int, draw: np.random.Generator) -> dict[str, float]:
                loss = code_loss(self.model, self.geometry, self.code, draw_batch(step, draw))
                torch.autograd.backward(loss)
                return {"loss": loss.item()}

            modules = {"model": self.model.model}
            run_stage("balanced", stage, modules, learn, progress, recipe.seed)


def code_loss(
    model: ModelAdapter,
    geometry: FrameGeometry,
    code: Code,
    viewed: Sequence[Viewed],
    kept: Sequence[Kept] | None = None,
) -> Tensor:
    """How far the encoder is from writing what temporal patches of clips show.

    Args:
        model: the model.
        geometry: how frames are cut.
        code: what tokens are to say.
        viewed: the temporal patches.
        kept: bool [groups] for each temporal patch, the merge groups that are encoded; all where
            None.
    """
    tokens = encode_patches(model, geometry, viewed, kept)
    values = label_patches(model, geometry, viewed)
    if kept is not None:
        values = values[torch.from_numpy(np.concatenate(kept))]
    told = code.loss(torch.cat([t.embeds for t in tokens]).float(), values)
    # What goes past the first layers is not needed yet, and would only disturb.
    beside = torch.cat([t.deepstack for t in tokens], dim=1).float()
    return told + beside.square().sum() / max(1, len(values))


def label_patches(model: ModelAdapter, geometry: FrameGeometry, viewed: Sequence[Viewed]) -> Tensor:
    """Labels temporal patches of clips as their views show them: [patches * groups, values]."""
    length, shape = model.temporal_patch, geometry.grid.group_shape
    values = []
    for clip, numbers, view in viewed:
        for number in numbers:
            truths = clip.truths[number * length : (number + 1) * length]
            if view is not None:
                truths = tuple(view.truth(truth, clip.size) for truth in truths)
            values.append(label_patch(truths, clip.size, shape))
    return torch.from_numpy(np.concatenate(values))
