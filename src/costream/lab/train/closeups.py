"""Second stage of the vision encoder: close-ups of what is rare, beside whole frames.

What tells one event from another is a few patches of a frame, and rare. A close-up is a few merge
groups of a frame, encoded without the others as what is left of a pruned frame is: they keep their
places, which every family knows in its own way, and cost a fraction of a frame. What it shows can
be chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from costream.lab.train import ranks
from costream.lab.train.clips import Clip, make_pairs, open_reel
from costream.lab.train.code import EVENTS
from costream.lab.train.perception import TIGHTEST, code_loss
from costream.lab.train.pictures import Kept, Viewed
from costream.lab.train.progress import Progress
from costream.lab.train.stage import Stage, run_stage
from costream.lab.train.view import draw_view

GROUPS = 4
"""Merge groups along a close-up's sides."""

OFF = 1.5
"""Merge groups by which what is shown may be off its middle."""

WHOLE = 4
"""Temporal patches of whole frames in a batch, so that the encoder remembers these too."""

Places = dict[str, list[tuple[int, tuple[float, float]]]]
"""By what is shown: the temporal patches that show it, and its middle there, in shares of width and
height."""


@dataclass(frozen=True, slots=True)
class Closeup:
    """A part of one temporal patch.

    Attributes:
        viewed: the temporal patch, and how it is looked at.
        kept: bool [groups], true for the merge groups that are encoded.
    """

    viewed: Viewed
    kept: Kept


class CloseupStage(Stage):
    """The stage. The vision encoder learns, and what joins it to the language model."""

    def learn(self, progress: Progress) -> None:
        stage, recipe, patch = self.recipe.closeups, self.recipe, self.model.temporal_patch

        with open_reel(partial(make_pairs, recipe, patch), recipe, 4, stage) as reel:
            catalogue = Catalogue(patch, self.geometry.grid.group_shape)

            def learn(step: int, draw: np.random.Generator) -> dict[str, float]:
                catalogue.follow(reel.at(step))
                count = max(1, stage.batch // ranks.world())
                near = [catalogue.draw_closeup(draw) for _ in range(count)]
                far = [catalogue.draw_whole(draw) for _ in range(WHOLE)]
                close, kept = [one.viewed for one in near], [one.kept for one in near]
                seen = code_loss(self.model, self.geometry, self.code, close, kept)
                whole = code_loss(self.model, self.geometry, self.code, far)
                torch.autograd.backward(seen + 0.5 * whole)
                return {"loss": seen.item(), "whole": whole.item()}

            modules = {"model": self.model.model}
            run_stage("closeups", stage, modules, learn, progress, recipe.seed)


class Catalogue:
    """What the clips at hand show, and where.

    Args:
        patch: frames of a temporal patch.
        shape: rows and columns of a frame's merge groups.
    """

    def __init__(self, patch: int, shape: tuple[int, int]) -> None:
        self._patch, self._shape = patch, shape
        self._clips: list[tuple[Clip, Places]] = []

    def follow(self, clips: Sequence[Clip]) -> None:
        """Looks through the clips that are new and forgets those that are gone."""
        # An entry holds its clip, so that no new one can take its place in memory meanwhile.
        known = {id(entry[0]): entry for entry in self._clips}
        self._clips = [
            known.get(id(clip)) or (clip, find_places(clip, self._patch)) for clip in clips
        ]

    def draw_closeup(self, draw: np.random.Generator) -> Closeup:
        """Draws a close-up: everything that can be shown is drawn equally often."""
        kinds = sorted({kind for _, places in self._clips for kind in places})
        kind = kinds[int(draw.integers(len(kinds)))]
        among = [(clip, places[kind]) for clip, places in self._clips if kind in places]
        clip, places = among[int(draw.integers(len(among)))]
        number, middle = places[int(draw.integers(len(places)))]
        view = draw_view(clip, draw, TIGHTEST)
        kept = block_around(view.place(middle), self._shape, draw)
        return Closeup((clip, [number], view), kept)

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


def block_around(
    place: tuple[float, float], shape: tuple[int, int], draw: np.random.Generator
) -> Kept:
    """Chooses the merge groups of a close-up: bool [groups].

    Args:
        place: the middle of what to show, in shares of width and height.
        shape: rows and columns of merge groups.
        draw: by how much it is off the middle.
    """
    kept = np.zeros(shape, np.bool_)
    corner = [
        round(np.clip(share * count - GROUPS / 2 + draw.uniform(-OFF, OFF), 0, count - GROUPS))
        for share, count in zip(place, reversed(shape), strict=True)
    ]
    kept[corner[1] : corner[1] + GROUPS, corner[0] : corner[0] + GROUPS] = True
    return kept.ravel()
