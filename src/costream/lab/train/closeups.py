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

from costream.lab.synth import Box, Truth
from costream.lab.train import ranks
from costream.lab.train.clips import Clip, make_pairs, open_reel
from costream.lab.train.code import EVENTS
from costream.lab.train.perception import TIGHTEST, code_loss
from costream.lab.train.pictures import Viewed
from costream.lab.train.progress import Progress
from costream.lab.train.stage import Stage, run_stage
from costream.lab.train.view import draw_view

GROUPS = 4
"""Merge groups along a close-up's sides."""

OFF = 32
"""Pixels by which what is shown may be off its middle."""

WHOLE = 4
"""Temporal patches of whole frames in a batch, so that the encoder remembers these too."""

Places = dict[str, list[tuple[int, tuple[float, float]]]]
"""By what is shown: the temporal patches that show it, and its middle there, in shares of width and
height."""


class CloseupStage(Stage):
    """The stage. The vision encoder learns, and what joins it to the language model."""

    def learn(self, progress: Progress) -> None:
        stage, recipe, patch = self.recipe.closeups, self.recipe, self.model.temporal_patch
        side = GROUPS * self.model.preprocessing.patch * self.model.preprocessing.merge
        close = self.model.geometry(side, side, 1, (side, side))

        with open_reel(partial(make_pairs, recipe, patch), recipe, 4, stage) as reel:
            catalogue = Catalogue(patch, side)

            def learn(step: int, draw: np.random.Generator) -> dict[str, float]:
                catalogue.follow(reel.at(step))
                count = max(1, stage.batch // ranks.world())
                near = [catalogue.draw_closeup(draw) for _ in range(count)]
                far = [catalogue.draw_whole(draw) for _ in range(WHOLE)]
                seen = code_loss(self.model, close, self.code, near)
                whole = code_loss(self.model, self.geometry, self.code, far)
                torch.autograd.backward(seen + 0.5 * whole)
                return {"loss": seen.item(), "whole": whole.item()}

            modules = {"model": self.model.model}
            run_stage("closeups", stage, modules, learn, progress, recipe.seed)


class Catalogue:
    """What the clips at hand show, and where.

    Args:
        patch: frames of a temporal patch.
        side: pixels of a close-up's sides, of frames as the model sees them.
    """

    def __init__(self, patch: int, side: int) -> None:
        self._patch, self._side = patch, side
        self._clips: list[tuple[Clip, Places]] = []

    def follow(self, clips: Sequence[Clip]) -> None:
        """Looks through the clips that are new and forgets those that are gone."""
        # An entry holds its clip, so that no new one can take its place in memory meanwhile.
        known = {id(entry[0]): entry for entry in self._clips}
        self._clips = [
            known.get(id(clip)) or (clip, find_places(clip, self._patch)) for clip in clips
        ]

    def draw_closeup(self, draw: np.random.Generator) -> Viewed:
        """Draws a close-up: everything that can be shown is drawn equally often."""
        kinds = sorted({kind for _, places in self._clips for kind in places})
        kind = kinds[int(draw.integers(len(kinds)))]
        among = [(clip, places[kind]) for clip, places in self._clips if kind in places]
        clip, places = among[int(draw.integers(len(among)))]
        number, middle = places[int(draw.integers(len(places)))]
        close = cut_out(clip, number, middle, draw, self._patch, self._side)
        return close, [0], draw_view(close, draw, TIGHTEST)

    def draw_whole(self, draw: np.random.Generator) -> Viewed:
        """Draws a temporal patch of whole frames."""
        clip, _ = self._clips[int(draw.integers(len(self._clips)))]
        number = int(draw.integers(len(clip.truths) // self._patch))
        return clip, [number], draw_view(clip, draw, TIGHTEST)


def find_places(clip: Clip, patch: int) -> Places:
    """Finds what close-ups of a clip may show."""
    found: Places = {}
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
    clip: Clip,
    number: int,
    middle: tuple[float, float],
    draw: np.random.Generator,
    patch: int,
    side: int,
) -> Clip:
    """Cuts a close-up out of one temporal patch of a clip.

    Args:
        clip: the clip.
        number: of the temporal patch.
        middle: what to show, in shares of width and height.
        draw: by how much it is off the middle.
        patch: frames of a temporal patch.
        side: pixels of its sides.
    """
    height, width = clip.frames.shape[1:3]
    corner = [share * size - side / 2 + draw.uniform(-OFF, OFF)
              for share, size in zip(middle, (width, height), strict=True)]  # fmt: skip
    left, top = (int(np.clip(at, 0, size - side))
                 for at, size in zip(corner, (width, height), strict=True))  # fmt: skip
    across, down = clip.size[0] / width, clip.size[1] / height
    frames = slice(number * patch, (number + 1) * patch)
    area = left * across, top * down, (left + side) * across, (top + side) * down
    return replace(
        clip,
        frames=clip.frames[frames, top : top + side, left : left + side],
        truths=tuple(_within(truth, area) for truth in clip.truths[frames]),
        size=(round(side * across), round(side * down)),
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
