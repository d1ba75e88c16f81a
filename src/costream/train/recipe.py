"""What a training run is: everything that its result follows from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StageRecipe:
    """One stage of training.

    Attributes:
        steps: optimiser steps.
        batch: temporal patches (``cells``) or windows (``answers``, ``joint``) a step.
        clips: how many of the training clips it learns from.
        rate: highest learning rate; it rises for a twentieth of the steps and falls as a cosine.
        decay: weight decay.
    """

    steps: int
    batch: int
    clips: int
    rate: float
    decay: float = 0.05


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run.

    The vision encoder first learns to say what is where, from the boxes of the world: all that is
    to be seen (``cells``), then mostly what happens (``events``).
    The language model then learns to answer on its frozen features (``answers``), and at last
    both learn together (``joint``).

    Attributes:
        size: name of the untrained checkpoint to begin from.
        fps: sampled frames a second.
        window: seconds of a window.
        stride: seconds it moves by when it watches.
        frame_size: (width, height) in pixels that frames are resized to.
        cells: the first stage of the vision encoder.
        events: its second.
        answers: the stage of the language model.
        joint: the stage of both.
        threshold: score from which an answer counts as a yes, chosen on validation clips.
        negatives: questions with the answer no that are asked of every window.
        seed: of clips, weights and batches.
    """

    size: str
    fps: float = 2.0
    window: float = 10.0
    stride: float = 2.0
    frame_size: tuple[int, int] = (224, 128)
    cells: StageRecipe = field(default_factory=lambda: StageRecipe(1500, 32, 256, 1.5e-3))
    events: StageRecipe = field(default_factory=lambda: StageRecipe(1000, 32, 736, 1e-3))
    answers: StageRecipe = field(default_factory=lambda: StageRecipe(900, 8, 1000, 1.5e-3))
    joint: StageRecipe = field(default_factory=lambda: StageRecipe(360, 8, 1000, 6e-4))
    threshold: float = 0.75
    negatives: int = 3
    seed: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Returns the recipe as JSON-ready values."""
        return asdict(self)


RECIPES = {"tiny": Recipe("tiny")}
"""Recipes of the models that ship, by the last part of their names."""
