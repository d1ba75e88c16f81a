"""The vision encoder learns from a convolutional teacher what each of its patches shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from costream.errors import SettingsError
from costream.lab.train import ranks
from costream.lab.train.catalogue import open_frames
from costream.lab.train.code import mark_logits
from costream.lab.train.perception import TIGHTEST, label_patches
from costream.lab.train.pictures import encode_frames, view_frames
from costream.lab.train.progress import Progress
from costream.lab.train.stage import Stage, run_stage
from costream.lab.train.teacher import (
    COARSE,
    FINE,
    Taught,
    ask_teacher,
    make_teacher,
    per_group,
)
from costream.models import ModelAdapter
from costream.models.internvl import InternVLAdapter

LEAST = 0.05
"""What is added to a feature's standard deviation: one that hardly ever moves tells little."""


class DistillationStage(Stage):
    """The stage. The vision encoder learns, and what joins it to the language model.

    Its tokens learn to say what the code wants them to say, and what the teacher says in its place.
    Its patches learn to tell the teacher's features, the finer ones in the midst of the layers.

    Raises:
        SettingsError: the teacher has not learnt yet, or the model is no InternVL.
    """

    def learn(self, progress: Progress) -> None:
        stage, recipe, patch = self.recipe.distillation, self.recipe, self.model.temporal_patch
        teacher = make_teacher(self.model, recipe.seed)
        progress.load("teacher", teacher)
        student = Student(self.model, recipe.seed)
        modules = {"model": self.model.model, "student": student.tellers}

        with open_frames(recipe, stage, patch, TIGHTEST, 6) as draw_batch:

            def learn(step: int, draw: np.random.Generator) -> dict[str, float]:
                viewed = draw_batch(step, draw)
                frames = view_frames(viewed, patch)
                with torch.no_grad():
                    taught = ask_teacher(teacher, frames)
                with student.watched():
                    visuals = encode_frames(self.model, self.geometry, frames)
                tokens = torch.cat([one.embeds for one in visuals]).float()
                told = self.code.loss(tokens, label_patches(self.model, self.geometry, viewed))
                features = student.loss(taught)
                said = torch.sigmoid(per_group(taught.marks))
                logits = mark_logits(self.code.read(tokens))
                marks = 4 * functional.binary_cross_entropy_with_logits(logits, said)
                torch.autograd.backward(told + features + marks)
                return {"loss": told.item(), "features": features.item(), "marks": marks.item()}

            run_stage("distillation", stage, modules, learn, progress, recipe.seed)


class Teller(nn.Module):
    """Tells features by hidden states: how far off it is.

    Args:
        width: of the hidden states.
        features: how many there are.
    """

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, features)
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.full((features,), torch.nan))
        self.register_buffer("scale", torch.ones(features))

    def forward(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        """Returns the loss, of features on one scale: that which they have in the first batch."""
        if self.mean.isnan().any():
            self.mean.copy_(wanted.mean((0, 1)))
            self.scale.copy_(wanted.std((0, 1)) + LEAST)
            for values in (self.mean, self.scale):
                ranks.average(values)
        return functional.smooth_l1_loss(self.project(hidden), (wanted - self.mean) / self.scale)


class Student:
    """Tells the teacher's features by what patches are on their way through the encoder.

    Args:
        model: whose encoder it is.
        seed: of the weights that tell.

    Raises:
        SettingsError: the model is no InternVL.
    """

    def __init__(self, model: ModelAdapter, seed: int) -> None:
        if not isinstance(model, InternVLAdapter):
            raise SettingsError("only an InternVL can learn from a teacher")
        layers, width = model.vision.encoder.layer, model.model.config.vision_config.hidden_size
        self._merge = model.merge
        self._midst = layers[len(layers) // 2].layernorm_before
        self._end = model.projector
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tellers = nn.ModuleList([Teller(width, 4 * FINE), Teller(width, COARSE)])
        self.tellers = tellers.to(model.kv_shape.device)
        self._seen: dict[str, Tensor] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notes what patches of whole frames are while the encoder runs."""

        def note(name: str, _: nn.Module, given: tuple[Tensor, ...]) -> None:
            self._seen[name] = given[0].float()

        hooks = [
            module.register_forward_pre_hook(partial(note, name))
            for name, module in (("midst", self._midst), ("end", self._end))
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def loss(self, taught: Taught) -> Tensor:
        """How far what was noted is from telling what the teacher makes of the same frames."""
        fine, coarse = self.per_patch(taught.fine, 2), self.per_patch(taught.coarse, 1)
        # In the midst each frame has its class token in front.
        midst = self._seen["midst"].view(len(fine), 1 + fine.shape[1], -1)[:, 1:]
        end = self._seen["end"].view(*coarse.shape[:2], -1)
        first, last = self.tellers
        loss: Tensor = first(midst, fine) + last(end, coarse)
        return loss

    def per_patch(self, features: Tensor, cells: int) -> Tensor:
        """Brings features [frames, channels, rows, cols] to the order of patches.

        Args:
            features: ``cells`` rows and columns for each patch.
            cells: how many.

        Returns:
            [frames, patches, channels * cells * cells].
        """
        count, channels, rows, cols = features.shape
        side = self._merge * cells
        split = features.view(
            count, channels, rows // side, self._merge, cells, cols // side, self._merge, cells
        )
        ordered = split.permute(0, 2, 5, 3, 6, 1, 4, 7)
        return ordered.reshape(count, -1, channels * cells * cells)
