"""What the clips at hand show, and where, so that what is rare can be looked at as often."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np

from costream.lab.train import ranks
from costream.lab.train.clips import Clip, make_pairs, open_reel
from costream.lab.train.code import EVENTS
from costream.lab.train.pictures import Viewed
from costream.lab.train.recipe import Recipe, StageRecipe
from costream.lab.train.view import draw_view

Place = tuple[float, float]
"""A place in a frame, in shares of its width and height."""

Places = dict[str, list[tuple[int, Place]]]
"""By what is shown: the temporal patches that show it, and its middle there."""


class Catalogue:
    """What the clips at hand show, and where.

    Args:
        patch: frames of a temporal patch.
        tightest: smallest share of the picture's sides that a view shows.
        often: what is drawn twice as often.
    """

    def __init__(self, patch: int, tightest: float, often: Sequence[str] = ()) -> None:
        self._patch, self._tightest, self._often = patch, tightest, often
        self._clips: list[tuple[Clip, Places]] = []

    def follow(self, clips: Sequence[Clip]) -> None:
        """Looks through the clips that are new and forgets those that are gone."""
        # An entry holds its clip, so that no new one can take its place in memory meanwhile.
        known = {id(entry[0]): entry for entry in self._clips}
        self._clips = [
            known.get(id(clip)) or (clip, find_places(clip, self._patch)) for clip in clips
        ]

    def draw_shown(self, draw: np.random.Generator) -> tuple[Viewed, Place]:
        """Draws a temporal patch that shows something, and where its view shows it.

        Everything that can be shown is drawn equally often, but for what is to be drawn more.
        """
        shown = {kind for _, places in self._clips for kind in places}
        kinds = sorted(shown) + [kind for kind in self._often if kind in shown]
        kind = kinds[int(draw.integers(len(kinds)))]
        among = [(clip, places[kind]) for clip, places in self._clips if kind in places]
        clip, places = among[int(draw.integers(len(among)))]
        number, middle = places[int(draw.integers(len(places)))]
        view = draw_view(clip, draw, self._tightest)
        return (clip, [number], view), view.place(middle)

    def draw_any(self, draw: np.random.Generator) -> Viewed:
        """Draws a temporal patch, whatever it shows."""
        clip, _ = self._clips[int(draw.integers(len(self._clips)))]
        number = int(draw.integers(len(clip.truths) // self._patch))
        return clip, [number], draw_view(clip, draw, self._tightest)


DrawBatch = Callable[[int, np.random.Generator], list[Viewed]]
"""Draws the temporal patches of a step, by its number."""


@contextmanager
def open_frames(
    recipe: Recipe, stage: StageRecipe, patch: int, tightest: float, seed: int
) -> Iterator[DrawBatch]:
    """Opens a supply of whole frames that show what is rare as often as the rest.

    Args:
        recipe: the run.
        stage: how many frames it takes.
        patch: frames of a temporal patch.
        tightest: as in :class:`Catalogue`.
        seed: of the stage's videos, beside the run's.
    """
    with open_reel(partial(make_pairs, recipe, patch), recipe, seed, stage) as reel:
        catalogue = Catalogue(patch, tightest, stage.often)

        def draw_batch(step: int, draw: np.random.Generator) -> list[Viewed]:
            catalogue.follow(reel.at(step))
            count = max(1, stage.batch // ranks.world())
            return [catalogue.draw_shown(draw)[0] for _ in range(count)]

        yield draw_batch


def find_places(clip: Clip, patch: int) -> Places:
    """Finds what temporal patches of a clip show."""
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
