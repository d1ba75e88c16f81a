"""First stage: the vision encoder learns what is where, group by group, through a head of its own.

The head is thrown away afterwards; it is the encoder's tokens that have to tell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from costream.models import FrameGeometry, ModelAdapter
from costream.synth import EventKind
from costream.train.cells import CHANNELS, label_cells
from costream.train.clips import Clip
from costream.train.features import draw_augment, read_patches
from costream.train.progress import Optimiser, Progress
from costream.train.recipe import Recipe, StageRecipe

COMMON = 0.02
"""Share of the groups that show something from which it is no longer rare."""

RUN = 4
"""Temporal patches of one clip in a batch."""


class CellTargets:
    """The labels of all temporal patches of the clips, made once.

    ``weights``, float32 [channels], is how much more a mark counts than its absence; rare marks
    count more.

    Args:
        clips: the clips.
        shape: rows and columns of merge groups.
        patch: frames of a temporal patch.
    """

    def __init__(self, clips: Sequence[Clip], shape: tuple[int, int], patch: int) -> None:
        self._made = [_label_clip(clip, shape, patch) for clip in clips]
        often = torch.stack([marks.float().mean((0, 1)) for marks, _ in self._made]).mean(0)
        self.weights = 3 * (COMMON / often.clamp_min(1e-6)).sqrt().clamp(1, 8)

    def take(self, clip: int, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Returns marks [groups, channels] and speeds [groups, 2], the patches' one after another.

        Speeds are NaN where nothing moves.
        """
        marks, speeds = self._made[clip]
        return marks[list(numbers)].flatten(0, 1).float(), speeds[list(numbers)].flatten(0, 1)


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
        self._targets = CellTargets(clips, geometry.grid.group_shape, model.temporal_patch)
        width = model.embed(model.prompt(), None).shape[-1]
        self._head = nn.Linear(width, CHANNELS + 2).to(model.kv_shape.device)
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
        optimiser = Optimiser([*self.model.model.parameters(), *self._head.parameters()], stage)
        saved = {
            "model": self.model.model, "head": self._head, "adam": optimiser.adam,
            "schedule": optimiser.schedule,
        }  # fmt: skip
        losses: list[float] = []
        for step in range(progress.restore(name, saved), stage.steps):
            draw = np.random.default_rng((self.recipe.seed, 21, step))
            loss = self._loss(
                [self._draw_run(draw, eventful) for _ in range(stage.batch // RUN)], draw
            )
            torch.autograd.backward(loss)
            losses.append(loss.item())
            optimiser.step()
            if step % 50 == 49:
                progress.note(name, step + 1, {"loss": float(np.mean(losses))})
                losses = []
            if step % 200 == 199:
                progress.save(name, step + 1, saved)

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
        model, patches = self.model, list[tuple[Tensor, Tensor]]()
        for chosen, numbers in runs:
            augment = draw_augment(draw)
            patches += read_patches(model, self.geometry, self.clips[chosen], numbers, augment)
        with torch.autocast(model.kv_shape.device.type, torch.bfloat16):
            tokens = model.encode(patches, self.geometry)
        # The language model adds DeepStack features to the tokens as they pass, and so does this.
        told = self._head(torch.cat([t.embeds + t.deepstack.sum(0) for t in tokens]).float())
        labels = [self._targets.take(chosen, numbers) for chosen, numbers in runs]
        marks = torch.cat([m for m, _ in labels]).to(told.device)
        speeds = torch.cat([s for _, s in labels]).to(told.device)
        moving = ~speeds.isnan()
        weights = 1 + self._targets.weights.to(told.device) * marks
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


def _label_clip(clip: Clip, shape: tuple[int, int], patch: int) -> tuple[Tensor, Tensor]:
    labelled = [label_cells(truth, clip.size, shape) for truth in clip.truths]
    marks = np.stack([marks for marks, _ in labelled])
    speeds = np.stack([speeds for _, speeds in labelled])
    count = len(labelled) // patch
    marks = marks[: count * patch].reshape(count, patch, *marks.shape[1:]).max(axis=1)
    # The last frame of a temporal patch says how fast it goes.
    speeds = speeds[patch - 1 : count * patch : patch]
    return _by_group(marks).to(torch.uint8), _by_group(speeds)


def _by_group(values: np.ndarray) -> Tensor:
    """[patches, channels, rows, cols] to [patches, groups, channels]."""
    return torch.from_numpy(values).flatten(2).transpose(1, 2).contiguous()
