"""The language model learns to answer from windows written in the code."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from costream.lab.train.answers import AnswerStage, Supply
from costream.lab.train.clips import Clip, make_truth
from costream.lab.train.code import MARKS, Code
from costream.lab.train.perception import label_patches
from costream.lab.train.progress import Progress
from costream.lab.train.recipe import Recipe
from costream.lab.train.windows import Example
from costream.models import EncodeJob, FrameGeometry, ModelAdapter, VisualTokens
from costream.video import Picture

SHORTEST = 3.0
"""Seconds of the first windows: as many as every event takes to be told."""

GROWING = 0.6
"""Share of the stage's steps in which windows grow to their full length."""

BLUR = 0.12
"""Standard deviation by which a value is off, as one that an encoder has seen would be."""

OVERLOOKED = 0.1
"""Share of the marks that are seen weakly or not at all."""

IMAGINED = 0.003
"""Share of the marks that are seen where there is nothing."""


class LanguageStage(AnswerStage):
    """The stage. The language model learns."""

    def __init__(
        self, model: ModelAdapter, geometry: FrameGeometry, code: Code, recipe: Recipe
    ) -> None:
        super().__init__(model, geometry, code, recipe)
        black = Picture.from_rgb(np.zeros((geometry.height, geometry.width, 3), np.uint8))
        none = np.zeros(geometry.grid.groups, np.bool_)
        patches = model.preprocessing.patches([black], none, geometry)
        job = EncodeJob(torch.from_numpy(patches), torch.from_numpy(none), geometry)
        self._levels = len(model.encode([job])[0].deepstack)

    def learn(self, progress: Progress) -> None:
        make = partial(make_truth, self.recipe)
        stage = self.recipe.language
        self.run("language", stage, [Supply(make, 2, self._judge, stage)], progress)

    def _judge(
        self, clip: Clip, example: Example, draw: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        visuals = self._write(clip, example, draw)
        loss, point = self.examiner.loss(example, clip, visuals, draw)
        return loss, {"loss": loss.item(), **point}

    def length(self, step: int) -> int:
        """Temporal patches of a window: few at first, where what counts is found more easily."""
        span = self.model.temporal_patch / self.recipe.fps
        share = min(1.0, step / (GROWING * self.recipe.language.steps))
        return round((SHORTEST + share * (self.recipe.window - SHORTEST)) / span)

    def _write(self, clip: Clip, example: Example, draw: np.random.Generator) -> list[VisualTokens]:
        numbers = range(example.first, example.first + example.length)
        values = label_patches(self.model, self.geometry, [(clip, numbers, None)])
        tokens = self.code.write(_blurred(values, draw)).to(self.model.kv_shape.device)
        return [
            VisualTokens(t, t.new_zeros(self._levels, *t.shape))
            for t in tokens.chunk(example.length)
        ]


def _blurred(values: Tensor, draw: np.random.Generator) -> Tensor:
    """Values as an encoder might see them that is not quite sure."""
    source = torch.Generator().manual_seed(int(draw.integers(1 << 62)))

    def chance(share: float) -> Tensor:
        return torch.rand(values.shape, generator=source) < share

    values = values.nan_to_num(0.0)
    doubt = torch.rand(values.shape, generator=source)
    marks = torch.zeros(values.shape[1], dtype=torch.bool)
    marks[:MARKS] = True
    wrong = torch.where(values > 0, chance(OVERLOOKED), chance(IMAGINED)) & marks
    seen = torch.where(wrong, doubt, values)
    return seen + BLUR * torch.randn(values.shape, generator=source)
