"""First stages: the vision encoder learns what is where, group by group, through a head of its own.

The head is thrown away afterwards; it is the encoder's tokens that have to tell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from costream.models import FrameGeometry, ModelAdapter
from costream.synth import EventKind
from costream.train.cells import CHANNELS, label_cells
from costream.train.clips import Clip
from costream.train.features import read_patches
from costream.train.progress import Progress
from costream.train.recipe import Recipe, StageRecipe
from costream.train.stage import make_head, run_stage
from costream.train.view import View, draw_view

COMMON = 0.02
"""Share of a batch's groups that show something from which it is no longer rare."""

TIGHTEST = 0.75
"""Smallest share of the picture's sides that is left in a view."""

RUN = 4
"""Temporal patches of one clip in a batch."""


class CellStage:
    """The stage, in two passes: over all that the clips show, then over what happens in them.

    Args:
        model: the model.
        geometry: how frames are cut.
        clips: the training clips.
        recipe: the run.
    """

    def __init__(
        self, model: ModelAdapter, geometry: FrameGeometry, clips: Sequence[Clip], recipe: Recipe
    ) -> None:
        self.model, self.geometry, self.clips, self.recipe = model, geometry, clips, recipe
        self._head = make_head(model, CHANNELS + 2, recipe.seed)
        span = model.temporal_patch / recipe.fps
        self._eventful = _list_eventful(clips, span)

    def learn(self, name: str, stage: StageRecipe, eventful: float, progress: Progress) -> None:
        """Runs a pass, from where it stands.

        Args:
            name: what it is called.
            stage: how it learns.
            eventful: share of the batches' patches that lie within an event.
            progress: where it stands.
        """

        def learn(draw: np.random.Generator) -> dict[str, float]:
            runs = [self._draw_run(draw, eventful) for _ in range(stage.batch // RUN)]
            loss = self._loss(runs, draw)
            torch.autograd.backward(loss)
            return {"loss": loss.item()}

        seed = (self.recipe.seed, 21)
        run_stage(name, stage, self.model, self._head, learn, progress, seed)

    def _draw_run(self, draw: np.random.Generator, eventful: float) -> tuple[int, list[int]]:
        """Draws temporal patches of one clip: its number and theirs."""
        if draw.random() < eventful:
            kinds = sorted(self._eventful)
            among = self._eventful[kinds[int(draw.integers(len(kinds)))]]
            chosen, numbers = among[int(draw.integers(len(among)))]
        else:
            chosen = int(draw.integers(len(self.clips)))
            numbers = range(len(self.clips[chosen].frames) // self.model.temporal_patch)
        return chosen, draw.choice(list(numbers), RUN, replace=len(numbers) < RUN).tolist()

    def _loss(self, runs: Sequence[tuple[int, list[int]]], draw: np.random.Generator) -> Tensor:
        model, shape = self.model, self.geometry.grid.group_shape
        patches: list[tuple[Tensor, Tensor]] = []
        labels: list[tuple[Tensor, Tensor]] = []
        for chosen, numbers in runs:
            clip = self.clips[chosen]
            view = draw_view(clip, draw, TIGHTEST)
            patches += read_patches(model, self.geometry, clip, numbers, view)
            labels.append(_label(clip, view, numbers, shape, model.temporal_patch))
        with torch.autocast(model.kv_shape.device.type, torch.bfloat16):
            tokens = model.encode(patches, self.geometry)
        # The language model adds DeepStack features to the tokens as they pass, and so does this.
        told = self._head(torch.cat([t.embeds + t.deepstack.sum(0) for t in tokens]).float())
        marks = torch.cat([m for m, _ in labels]).to(told.device)
        speeds = torch.cat([s for _, s in labels]).to(told.device)
        moving = ~speeds.isnan()
        often = marks.mean(0).clamp_min(COMMON / 64)
        weights = 1 + 3 * (COMMON / often).sqrt().clamp_min(1) * marks
        seen = functional.binary_cross_entropy_with_logits(told[:, :-2], marks, weights)
        if not moving.any():
            return seen
        return seen + 0.2 * functional.smooth_l1_loss(told[:, -2:][moving], speeds[moving])


def _list_eventful(clips: Sequence[Clip], span: float) -> dict[EventKind, list[tuple[int, range]]]:
    """By kind of event: clips that show one, and the temporal patches within it."""
    found: dict[EventKind, list[tuple[int, range]]] = {}
    for number, clip in enumerate(clips):
        for event in clip.events:
            numbers = range(int(event.start / span), int(event.end / span))
            if numbers:
                found.setdefault(event.kind, []).append((number, numbers))
    return found


def _label(
    clip: Clip, view: View, numbers: Sequence[int], shape: tuple[int, int], patch: int
) -> tuple[Tensor, Tensor]:
    """Labels temporal patches: marks [groups, channels] and speeds [groups, 2], NaN at rest."""
    marks, speeds = [], []
    for number in numbers:
        truths = clip.truths[number * patch : (number + 1) * patch]
        frames = [label_cells(view.truth(truth, clip.size), clip.size, shape) for truth in truths]
        marks.append(np.max([seen for seen, _ in frames], axis=0))
        # The last frame of a temporal patch says how fast it goes.
        speeds.append(frames[-1][1])
    return _by_group(np.stack(marks)), _by_group(np.stack(speeds))


def _by_group(values: np.ndarray) -> Tensor:
    """[patches, channels, rows, cols] to [patches * groups, channels]."""
    return torch.from_numpy(values).flatten(2).transpose(1, 2).flatten(0, 1)
