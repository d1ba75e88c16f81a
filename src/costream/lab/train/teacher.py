"""A convolutional teacher for a vision encoder that learns too slowly by itself.

A transformer of patches has to learn what convolutions have built in: that what a patch shows does
not hang on where it is, in the patch or in the frame. From a few hundred thousand frames it does
not, and no layer of it learns poses. A small convolutional network does, within a tenth of the
time, and what it makes of every patch of every frame can be learnt from (:mod:`.distillation`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from costream.lab.train.catalogue import open_frames
from costream.lab.train.code import MARKS, mark_loss
from costream.lab.train.perception import TIGHTEST, label_patches
from costream.lab.train.pictures import view_frames
from costream.lab.train.precision import autocast
from costream.lab.train.progress import Progress
from costream.lab.train.stage import Stage, run_stage
from costream.lab.train.view import Frames
from costream.models import ModelAdapter

FINE, COARSE = 128, 192
"""Channels of the features at half a patch, and at a patch."""

SELDOM = -3.0
"""Logit of a mark of which nothing is known: few groups show anything."""


class Taught(NamedTuple):
    """What the teacher makes of temporal patches.

    Attributes:
        fine: [patches, channels, rows, cols], two rows and columns for each of the encoder's
            patches.
        coarse: likewise, one of each.
        marks: [patches, marks, rows, cols], logits for each merge group.
    """

    fine: Tensor
    coarse: Tensor
    marks: Tensor


class Teacher(nn.Module):
    """Tells what merge groups show, by convolutions.

    Args:
        patch: side of the encoder's patches in pixels, a multiple of 4.
        merge: patches along a merge group's sides.
        length: frames of a temporal patch.
    """

    def __init__(self, patch: int, merge: int, length: int) -> None:
        super().__init__()
        stem = nn.Conv2d(3 * length, 48, patch // 4, patch // 4)
        self.fine = nn.Sequential(
            stem, _layer(48, 64), _layer(64, 96, 2), _layer(96, FINE), _layer(FINE, FINE)
        )
        same = [_layer(COARSE, COARSE) for _ in range(5)]
        self.coarse = nn.Sequential(_layer(FINE, COARSE, 2), *same)
        self.group = nn.Conv2d(COARSE, COARSE, merge, merge)
        self.marks = nn.Conv2d(COARSE, MARKS, 1, bias=False)
        nn.init.zeros_(self.marks.weight)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, frames: Tensor) -> Taught:
        """Looks at temporal patches, uint8 [patches, length, height, width, 3]."""
        count, _, height, width, _ = frames.shape
        pixels = frames.permute(0, 1, 4, 2, 3).reshape(count, -1, height, width) / 255 - 0.45
        fine = self.fine(pixels.contiguous(memory_format=torch.channels_last))
        coarse = self.coarse(fine)
        return Taught(fine, coarse, self.marks(functional.relu(self.group(coarse))) + SELDOM)


def make_teacher(model: ModelAdapter, seed: int) -> Teacher:
    """Makes the untrained teacher of a model."""
    cut = model.preprocessing
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Teacher(cut.patch, cut.merge, model.temporal_patch).to(model.kv_shape.device)


def ask_teacher(teacher: Teacher, frames: Frames) -> Taught:
    """Asks the teacher about temporal patches, uint8 [patches, length, height, width, 3]."""
    device = next(teacher.parameters()).device
    with autocast(device):
        return Taught(*(part.float() for part in teacher(torch.from_numpy(frames).to(device))))


def per_group(values: Tensor) -> Tensor:
    """Brings values of merge groups, [patches, values, rows, cols], to the order of tokens.

    Returns:
        [patches * groups, values].
    """
    return values.flatten(2).transpose(1, 2).flatten(0, 1)


class TeacherStage(Stage):
    """The stage. The teacher learns from whole frames that show what is rare as often as the rest.

    Nothing of the model does.
    """

    def learn(self, progress: Progress) -> None:
        stage, recipe, patch = self.recipe.teacher, self.recipe, self.model.temporal_patch
        teacher = make_teacher(self.model, recipe.seed)

        with open_frames(recipe, stage, patch, TIGHTEST, 5) as draw_batch:

            def learn(step: int, draw: np.random.Generator) -> dict[str, float]:
                viewed = draw_batch(step, draw)
                taught = ask_teacher(teacher, view_frames(viewed, patch))
                marks = label_patches(self.model, self.geometry, viewed)[:, :MARKS]
                logits = per_group(taught.marks)
                loss = mark_loss(logits, marks.to(logits.device))
                torch.autograd.backward(loss)
                return {"loss": loss.item()}

            run_stage("teacher", stage, {"teacher": teacher}, learn, progress, recipe.seed)
        self.learnt = teacher


def _layer(known: int, told: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(known, told, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(8, told), nn.ReLU())
