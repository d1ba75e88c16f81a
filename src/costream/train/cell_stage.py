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
from costream.train.cells import CHANNELS, label_cells
from costream.train.clips import Clip
from costream.train.features import draw_augment, read_patches
from costream.train.progress import Optimiser, Progress
from costream.train.recipe import Recipe

RUN = 4
"""Temporal patches of one clip in a batch."""


class CellTargets:
    """The labels of all temporal patches of the clips, made once.

    Args:
        clips: the clips.
        shape: rows and columns of merge groups.
        patch: frames of a temporal patch.
    """

    def __init__(self, clips: Sequence[Clip], shape: tuple[int, int], patch: int) -> None:
        self._made = [_label_clip(clip, shape, patch) for clip in clips]

    def take(self, clip: int, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Returns marks [groups, channels] and speeds [groups, 2], the patches' one after another.

        Speeds are NaN where nothing moves.
        """
        marks, speeds = self._made[clip]
        return marks[list(numbers)].flatten(0, 1).float(), speeds[list(numbers)].flatten(0, 1)


def learn_cells(
    model: ModelAdapter,
    geometry: FrameGeometry,
    clips: Sequence[Clip],
    recipe: Recipe,
    progress: Progress,
) -> None:
    """Runs the stage, from where it stands."""
    stage, patch = recipe.cells, model.temporal_patch
    targets = CellTargets(clips, geometry.grid.group_shape, patch)
    width = model.embed(model.prompt(), None).shape[-1]
    head = nn.Linear(width, CHANNELS + 2).to(model.kv_shape.device)
    parts: dict[str, nn.Module] = {"model": model.model, "head": head}
    optimiser = Optimiser([*model.model.parameters(), *head.parameters()], stage)
    saved = {**parts, "adam": optimiser.adam, "schedule": optimiser.schedule}
    begin = progress.restore("cells", saved)
    losses: list[float] = []
    for step in range(begin, stage.steps):
        draw = np.random.default_rng((recipe.seed, 21, step))
        loss = _loss(model, geometry, clips, targets, head, draw, stage.batch // RUN)
        torch.autograd.backward(loss)
        losses.append(loss.item())
        optimiser.step()
        if step % 50 == 49:
            progress.note("cells", step + 1, {"loss": float(np.mean(losses))})
            losses = []
        if step % 200 == 199:
            progress.save("cells", step + 1, saved)


def _loss(
    model: ModelAdapter,
    geometry: FrameGeometry,
    clips: Sequence[Clip],
    targets: CellTargets,
    head: nn.Module,
    draw: np.random.Generator,
    runs: int,
) -> Tensor:
    patches: list[tuple[Tensor, Tensor]] = []
    labels: list[tuple[Tensor, Tensor]] = []
    for chosen in draw.integers(len(clips), size=runs).tolist():
        count = len(clips[chosen].frames) // model.temporal_patch
        numbers = draw.choice(count, RUN, replace=False).tolist()
        patches += read_patches(model, geometry, clips[chosen], numbers, draw_augment(draw))
        labels.append(targets.take(chosen, numbers))
    with torch.autocast(model.kv_shape.device.type, torch.bfloat16):
        tokens = model.encode(patches, geometry)
    # The language model adds DeepStack features to the tokens as they pass, and so does this.
    told = head(torch.cat([t.embeds + t.deepstack.sum(0) for t in tokens]).float())
    marks = torch.cat([m for m, _ in labels]).to(told.device)
    speeds = torch.cat([s for _, s in labels]).to(told.device)
    moving = ~speeds.isnan()
    weights = 1 + 3 * marks
    seen = functional.binary_cross_entropy_with_logits(told[:, :-2], marks, weights)
    if not moving.any():
        return seen
    return seen + 0.2 * functional.smooth_l1_loss(told[:, -2:][moving], speeds[moving])


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
