"""Last stage: vision encoder and language model learn together, on encoded video."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from costream.models import FrameGeometry, ModelAdapter
from costream.train import ranks
from costream.train.answers import HEADS, Teacher
from costream.train.clips import Clip, make_window, open_reel
from costream.train.code import Code
from costream.train.perception import label_patches
from costream.train.pictures import encode_patches
from costream.train.progress import Progress
from costream.train.recipe import Recipe
from costream.train.stage import make_head, mean_points, run_stage
from costream.train.view import draw_view
from costream.train.windows import Example, ExampleDraw, list_examples

TIGHTEST = 0.92
"""Smallest share of the picture's sides that a window shows: events must stay in it."""

SEEING = 0.5
"""Weight of what tokens say, so that the encoder does not forget to see."""


class JointStage:
    """The stage.

    Args:
        model: the model.
        geometry: how frames are cut.
        code: what tokens say.
        recipe: the run.
    """

    def __init__(
        self, model: ModelAdapter, geometry: FrameGeometry, code: Code, recipe: Recipe
    ) -> None:
        self.model, self.geometry, self.code, self.recipe = model, geometry, code, recipe
        self.head = make_head(model, HEADS, recipe.seed)
        self._teacher = Teacher(model, geometry, self.head, recipe)

    def learn(self, progress: Progress) -> None:
        """Runs the stage from where it stands."""
        stage, recipe = self.recipe.joint, self.recipe
        make = partial(make_window, recipe, self.model.temporal_patch)

        with open_reel(make, recipe, 3, stage) as reel:

            def learn(step: int, draw: np.random.Generator) -> dict[str, float]:
                clips = reel.at(step)
                taken = ExampleDraw(list_examples(clips, recipe, self.model.temporal_patch), draw)
                points = []
                windows = max(1, stage.batch // ranks.world())
                for _ in range(windows):
                    example = taken.take()
                    loss, point = self._loss(clips[example.clip], example, draw)
                    torch.autograd.backward(loss / windows)
                    points.append(point)
                return mean_points(points)

            modules = {"model": self.model.model, "head": self.head}
            run_stage("joint", stage, modules, learn, progress, recipe.seed)

    def _loss(
        self, clip: Clip, example: Example, draw: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        numbers = range(example.first, example.first + example.length)
        viewed = [(clip, numbers, draw_view(clip, draw, TIGHTEST))]
        visuals = encode_patches(self.model, self.geometry, viewed)
        answered, shares = self._teacher.loss(example, clip, visuals, draw)
        values = label_patches(self.model, self.geometry, viewed)
        seen = self.code.loss(torch.cat([v.embeds for v in visuals]).float(), values)
        point = {"loss": answered.item(), "seeing": seen.item(), **shares}
        return answered + SEEING * seen, point
