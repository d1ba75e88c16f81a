"""The language model learns to read what the vision encoder really says, which stands still."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from costream.lab.train.answers import AnswerStage
from costream.lab.train.clips import Clip, make_window
from costream.lab.train.joint import view_window
from costream.lab.train.pictures import encode_patches
from costream.lab.train.progress import Progress
from costream.lab.train.windows import Example


class ReadingStage(AnswerStage):
    """The stage. The language model learns."""

    def learn(self, progress: Progress) -> None:
        make = partial(make_window, self.recipe, self.model.temporal_patch)
        self.run("reading", self.recipe.reading, make, 7, progress)

    def judge(
        self, clip: Clip, example: Example, draw: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        viewed = [view_window(clip, example, draw)]
        with torch.no_grad():
            visuals = encode_patches(self.model, self.geometry, viewed)
        loss, point = self.examiner.loss(example, clip, visuals, draw)
        return loss, {"loss": loss.item(), **point}
