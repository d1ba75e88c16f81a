"""The language model learns to read what the vision encoder really says, which stands still."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from costream.lab.train import ranks
from costream.lab.train.answers import AnswerStage
from costream.lab.train.clips import Clip, make_window
from costream.lab.train.code import Code
from costream.lab.train.joint import TIGHTEST
from costream.lab.train.pictures import encode_frames, view_frames
from costream.lab.train.progress import Progress
from costream.lab.train.recipe import Recipe
from costream.lab.train.view import draw_view
from costream.lab.train.windows import Example
from costream.models import FrameGeometry, ModelAdapter, VisualTokens


@dataclass(frozen=True, slots=True)
class Encoded:
    """A clip as the encoder sees it, in one view.

    Attributes:
        clip: the clip.
        tokens: of each temporal patch, encoded whole.
    """

    clip: Clip
    tokens: list[VisualTokens]


class ReadingStage(AnswerStage):
    """The stage. The language model learns.

    A clip is encoded once, in one view, for all the windows that are cut from it: since the encoder
    stands still, that is two thirds of the work.
    """

    def __init__(
        self, model: ModelAdapter, geometry: FrameGeometry, code: Code, recipe: Recipe
    ) -> None:
        super().__init__(model, geometry, code, recipe)
        self._encoded: dict[int, Encoded] = {}
        self._most = max(1, recipe.reading.pool // ranks.world())

    def learn(self, progress: Progress) -> None:
        make = partial(make_window, self.recipe, self.model.temporal_patch)
        self.run("reading", self.recipe.reading, make, 7, progress)

    def judge(
        self, clip: Clip, example: Example, draw: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        tokens = self._encode(clip).tokens[example.first : example.first + example.length]
        loss, point = self.examiner.loss(example, clip, tokens, draw)
        return loss, {"loss": loss.item(), **point}

    def _encode(self, clip: Clip) -> Encoded:
        # An entry holds its clip, so that no new one can take its place in memory meanwhile.
        found = self._encoded.get(id(clip))
        if found is None:
            length = self.model.temporal_patch
            numbers = range(len(clip.frames) // length)
            # The view follows from the clip, and not from the step that first draws it.
            draw = np.random.default_rng((self.recipe.seed, crc32(clip.frames.tobytes())))
            frames = view_frames([(clip, numbers, draw_view(clip, draw, TIGHTEST))], length)
            with torch.no_grad():
                found = Encoded(clip, encode_frames(self.model, self.geometry, frames))
            self._encoded[id(clip)] = found
            while len(self._encoded) > self._most:
                del self._encoded[next(iter(self._encoded))]
        return found
