"""Second stage of the vision encoder: close-ups of what is rare, beside whole frames.

What tells one event from another is a few patches of a frame, and rare. A close-up costs an eighth
of a frame, and what it shows can be chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from costream.models import FrameGeometry, ModelAdapter
from costream.synth import Box, Truth
from costream.train import ranks
from costream.train.clips import Clip, make_pairs, open_reel
from costream.train.code import EVENTS, Code
from costream.train.perception import TIGHTEST, code_loss
from costream.train.pictures import Viewed
from costream.train.progress import Progress
from costream.train.recipe import Recipe
from costream.train.stage import run_stage
from costream.train.view import draw_view

SIDE = 128
"""Pixels of a close-up's sides, of frames as the model sees them."""

OFF = 32
"""Pixels by which what is shown may be off its middle."""

WHOLE = 4
"""Temporal patches of whole frames in a batch, so that the encoder remembers these too."""

Place = tuple[int, int, tuple[float, float]]
"""A clip's number, a temporal patch's, and the middle of what it shows there, in shares."""


class CloseupStage:
    """The stage.

    Args:
        model: the model, of which the vision encoder learns.
        geometry: how whole frames are cut.
        code: what tokens are to say.
        recipe: the run.
    """

    def __init__(
        self, model: ModelAdapter, geometry: FrameGeometry, code: Code, recipe: Recipe
    ) -> None:
        self.model, self.geometry, self.code, self.recipe = model, geometry, code, recipe
        self._close = model.geometry(SIDE, SIDE, 1, (SIDE, SIDE))

    def learn(self, progress: Progress) -> None:
        """Runs the stage from where it stands."""
        stage, recipe = self.recipe.closeups, self.recipe
        make = partial(make_pairs, recipe, self.model.temporal_patch)
        places: dict[int, dict[str, list[tuple[int, tuple[float, float]]]]] = {}

        with open_reel(make, recipe, 4, stage) as reel:

            def learn(step: int, draw: np.random.Generator) -> dict[str, float]:
                clips = reel.at(step)
                for clip in clips:
                    if id(clip) not in places:
                        places[id(clip)] = find_places(clip, self.model.temporal_patch)
                found = [places[id(clip)] for clip in clips]
                count = max(1, stage.batch // ranks.world())
                close = [self._draw_closeup(clips, found, draw) for _ in range(count)]
                whole = [_draw_whole(clips, draw, self.model.temporal_patch) for _ in range(WHOLE)]
                near = code_loss(self.model, self._close, self.code, close)
                far = code_loss(self.model, self.geometry, self.code, whole)
                torch.autograd.backward(near + 0.5 * far)
                return {"loss": near.item(), "whole": far.item()}

            modules = {"model": self.model.model}
            run_stage("closeups", stage, modules, learn, progress, recipe.seed)

    def _draw_closeup(
        self,
        clips: Sequence[Clip],
        found: Sequence[dict[str, list[tuple[int, tuple[float, float]]]]],
        draw: np.random.Generator,
    ) -> Viewed:
        kinds = sorted({kind for places in found for kind in places})
        kind = kinds[int(draw.integers(len(kinds)))]
        among = [n for n, places in enumerate(found) if kind in places]
        chosen = among[int(draw.integers(len(among)))]
        number, middle = found[chosen][kind][int(draw.integers(len(found[chosen][kind])))]
        clip = cut_out(clips[chosen], number, middle, draw, self.model.temporal_patch)
        return clip, [0], draw_view(clip, draw, TIGHTEST)


def find_places(clip: Clip, patch: int) -> dict[str, list[tuple[int, tuple[float, float]]]]:
    """Finds what a close-up may show: by name, temporal patches and middles in shares."""
    found: dict[str, list[tuple[int, tuple[float, float]]]] = {}
    width, height = clip.size
    for number in range(len(clip.truths) // patch):
        truth = clip.truths[number * patch]
        doers = {event.actor: event.kind for event in truth.events if event.kind in EVENTS}
        for box in truth.boxes:
            middle = (box.left + box.right) / 2 / width, (box.top + box.bottom) / 2 / height
            for name in {box.action or box.label, doers.get(box.actor, box.label)}:
                found.setdefault(name, []).append((number, middle))
    return found


def cut_out(
    clip: Clip, number: int, middle: tuple[float, float], draw: np.random.Generator, patch: int
) -> Clip:
    """Cuts a close-up out of one temporal patch of a clip.

    Args:
        clip: the clip.
        number: of the temporal patch.
        middle: what to show, in shares of width and height.
        draw: by how much it is off the middle.
        patch: frames of a temporal patch.
    """
    height, width = clip.frames.shape[1:3]
    corner = [share * size - SIDE / 2 + draw.uniform(-OFF, OFF)
              for share, size in zip(middle, (width, height), strict=True)]  # fmt: skip
    left, top = (int(np.clip(at, 0, size - SIDE))
                 for at, size in zip(corner, (width, height), strict=True))  # fmt: skip
    across, down = clip.size[0] / width, clip.size[1] / height
    frames = slice(number * patch, (number + 1) * patch)
    area = left * across, top * down, (left + SIDE) * across, (top + SIDE) * down
    return replace(
        clip,
        frames=clip.frames[frames, top : top + SIDE, left : left + SIDE],
        truths=tuple(_within(truth, area) for truth in clip.truths[frames]),
        size=(round(SIDE * across), round(SIDE * down)),
    )


def _within(truth: Truth, area: tuple[float, float, float, float]) -> Truth:
    left, top, right, bottom = area
    boxes = []
    for box in truth.boxes:
        if box.right > left and box.left < right and box.bottom > top and box.top < bottom:
            boxes.append(_moved(box, area))
    return replace(truth, boxes=tuple(boxes))


def _moved(box: Box, area: tuple[float, float, float, float]) -> Box:
    left, top, right, bottom = area
    return replace(
        box,
        left=round(max(box.left, left) - left),
        top=round(max(box.top, top) - top),
        right=round(min(box.right, right) - left),
        bottom=round(min(box.bottom, bottom) - top),
    )


def _draw_whole(clips: Sequence[Clip], draw: np.random.Generator, patch: int) -> Viewed:
    clip = clips[int(draw.integers(len(clips)))]
    number = int(draw.integers(len(clip.truths) // patch))
    return clip, [number], draw_view(clip, draw, TIGHTEST)
