"""The language model learns to read what the vision encoder really says, which stands still."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from costream.lab.train import ranks
from costream.lab.train.answers import AnswerStage, Supply
from costream.lab.train.clips import Clip, make_truth, make_window
from costream.lab.train.code import Code
from costream.lab.train.composing import TokenBank
from costream.lab.train.joint import TIGHTEST
from costream.lab.train.perception import label_patches
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
    stands still, that is two thirds of the work. A part of the windows is put together from the
    tokens of these clips, so that it meets many more stories than are rendered.
    """

    def __init__(
        self, model: ModelAdapter, geometry: FrameGeometry, code: Code, recipe: Recipe
    ) -> None:
        super().__init__(model, geometry, code, recipe)
        self._encoded: dict[int, Encoded] = {}
        self._bank = TokenBank(code)
        self._most = max(1, recipe.reading.pool // ranks.world())

    def learn(self, progress: Progress) -> None:
        recipe, stage = self.recipe, self.recipe.reading
        seen = replace(stage, batch=stage.batch - stage.composed)
        make = partial(make_window, recipe, self.model.temporal_patch)
        supplies = [Supply(make, 7, self._judge, seen)]
        if stage.composed:
            # What happens in a clip costs no rendering: of these there are as many as for language.
            told = replace(
                recipe.language,
                batch=stage.composed,
                often=stage.often,
                steps=stage.steps,
                first=stage.first,
            )
            supplies.append(Supply(partial(make_truth, recipe), 8, self._judge_composed, told))
        self.run("reading", stage, supplies, progress)

    def _judge(
        self, clip: Clip, example: Example, draw: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        tokens = self._encode(clip).tokens[example.first : example.first + example.length]
        loss, point = self.examiner.loss(example, clip, tokens, draw)
        return loss, {"loss": loss.item(), **point}

    def _judge_composed(
        self, clip: Clip, example: Example, draw: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        numbers = range(example.first, example.first + example.length)
        values = label_patches(self.model, self.geometry, [(clip, numbers, None)])
        composed = self._bank.compose(values, draw).chunk(example.length)
        # The bank was filled by what was seen before in the same batch.
        levels = len(next(iter(self._encoded.values())).tokens[0].deepstack)
        tokens = [VisualTokens(t, t.new_zeros(levels, *t.shape)) for t in composed]
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
            viewed = [(clip, numbers, draw_view(clip, draw, TIGHTEST))]
            with torch.no_grad():
                frames = view_frames(viewed, length)
                found = Encoded(clip, encode_frames(self.model, self.geometry, frames))
            self._encoded[id(clip)] = found
            embeds = torch.cat([tokens.embeds for tokens in found.tokens]).float()
            self._bank.put(id(clip), label_patches(self.model, self.geometry, viewed), embeds)
            while len(self._encoded) > self._most:
                oldest = next(iter(self._encoded))
                del self._encoded[oldest]
                self._bank.drop(oldest)
        return found
