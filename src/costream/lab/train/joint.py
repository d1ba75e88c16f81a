"""Last stage: vision encoder and language model learn together, on encoded video."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from costream.lab.train.answers import AnswerStage, Supply
from costream.lab.train.clips import Clip, make_window
from costream.lab.train.perception import label_patches
from costream.lab.train.pictures import Viewed, encode_patches
from costream.lab.train.progress import Progress
from costream.lab.train.view import draw_view
from costream.lab.train.windows import Example

TIGHTEST = 0.92
"""Smallest share of the picture's sides that a window shows: events must stay in it."""

SEEING = 0.5
"""Weight of what tokens say, so that the encoder does not forget to see."""


def view_window(clip: Clip, example: Example, draw: np.random.Generator) -> Viewed:
    """Returns the temporal patches of a window, in a view that keeps its events."""
    numbers = range(example.first, example.first + example.length)
    return clip, numbers, draw_view(clip, draw, TIGHTEST)


class JointStage(AnswerStage):
    """The stage. The whole model learns."""

    def learn(self, progress: Progress) -> None:
        make = partial(make_window, self.recipe, self.model.temporal_patch)
        stage = self.recipe.joint
        self.run("joint", stage, [Supply(make, 3, self._judge, stage)], progress)

    def _judge(
        self, clip: Clip, example: Example, draw: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        viewed = [view_window(clip, example, draw)]
        visuals = encode_patches(self.model, self.geometry, viewed)
        answered, point = self.examiner.loss(example, clip, visuals, draw)
        values = label_patches(self.model, self.geometry, viewed)
        seen = self.code.loss(torch.cat([v.embeds for v in visuals]).float(), values)
        point = {"loss": answered.item(), "seeing": seen.item(), **point}
        return answered + SEEING * seen, point
