"""Which windows to learn from, and what to ask of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costream.lab.synth.events import EVENT_KINDS, EVENTS, EventKind
from costream.lab.train.clips import Clip
from costream.lab.train.labels import is_shown
from costream.lab.train.layout import Dialogue
from costream.lab.train.recipe import Recipe
from costream.models import Timestamp

LATEST = 5000.0
"""Seconds up to which the clock of a stream may have run where a window begins."""


@dataclass(frozen=True, slots=True)
class Example:
    """A window of a clip.

    Attributes:
        clip: number of the clip.
        first: its first temporal patch.
        length: how many it has.
        shown: kinds of events and whether the window shows them; without those that are unclear.
    """

    clip: int
    first: int
    length: int
    shown: dict[EventKind, bool]


def list_examples(
    clips: Sequence[Clip], recipe: Recipe, patch: int, length: int | None = None
) -> list[Example]:
    """Lists every window of the clips.

    Args:
        clips: the clips.
        recipe: how long a window is.
        patch: frames of a temporal patch.
        length: temporal patches of a window, where it is to be another.
    """
    span = patch / recipe.fps
    length = length or round(recipe.window / span)
    return [
        Example(number, first, length, _shown(clip, first * span, length * span))
        for number, clip in enumerate(clips)
        for first in range(len(clip.truths) // patch - length + 1)
    ]


class ExampleDraw:
    """Draws windows so that each kind of event is met as often as the others.

    Args:
        examples: to draw from.
        draw: the source of chance.
        often: kinds that are met twice as often.
        eventful: share of the windows that show an event.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        draw: np.random.Generator,
        often: tuple[EventKind, ...] = (),
        eventful: float = 0.5,
    ) -> None:
        self._examples = examples
        self._draw = draw
        self._kinds = (*EVENT_KINDS, *often)
        self._eventful = eventful
        self._by_kind = {
            kind: [example for example in examples if example.shown.get(kind)]
            for kind in EVENT_KINDS
        }

    def take(self) -> Example:
        """Draws one."""
        kind = self._kinds[self._draw.integers(len(self._kinds))]
        eventful = self._draw.random() < self._eventful
        among = (self._by_kind[kind] if eventful else None) or self._examples
        return among[int(self._draw.integers(len(among)))]


def draw_dialogues(
    example: Example, draw: np.random.Generator
) -> tuple[list[Dialogue], list[EventKind]]:
    """Draws how a window is asked for all that it shows or does not show, in any order.

    One answer is a whole sentence; of the others the first word is enough.
    """
    kinds = [list(example.shown)[n] for n in draw.permutation(len(example.shown))]
    return [
        _dialogue(kind, example.shown[kind], n == 0, draw) for n, kind in enumerate(kinds)
    ], kinds


def draw_timestamps(
    example: Example, draw: np.random.Generator, recipe: Recipe, patch: int
) -> list[Timestamp]:
    """Draws where in their epoch a window's temporal patches stand.

    A window begins a stream, lies in one as it does in its clip, or comes hours later.
    """
    span = patch / recipe.fps
    begins = (0, example.first, int(draw.uniform(0, LATEST / span)))
    begin = begins[draw.choice(3, p=(0.35, 0.35, 0.3))]
    return timestamps_from(begin, example.length, recipe, patch)


def timestamps_from(first: int, count: int, recipe: Recipe, patch: int) -> list[Timestamp]:
    """Returns where temporal patches stand that follow each other from number ``first`` on."""
    span, middle = patch / recipe.fps, (patch - 1) / 2 / recipe.fps
    return [Timestamp(n, n * span + middle, span) for n in range(first, first + count)]


def _shown(clip: Clip, start: float, length: float) -> dict[EventKind, bool]:
    answers = {k: is_shown(k, start, start + length, clip.events) for k in EVENT_KINDS}
    return {kind: answer for kind, answer in answers.items() if answer is not None}


def _dialogue(kind: EventKind, shown: bool, whole: bool, draw: np.random.Generator) -> Dialogue:
    alarm = EVENTS[kind]
    question = alarm.questions[draw.integers(len(alarm.questions))]
    return Dialogue(question, alarm.yes if shown else alarm.no, whole)
