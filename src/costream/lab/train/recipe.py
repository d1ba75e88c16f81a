"""What a training run is: everything that its result follows from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from costream.lab.synth import EventKind


@dataclass(frozen=True, slots=True)
class StageRecipe:
    """One stage of training.

    Attributes:
        steps: optimiser steps; a stage of none is left out.
        batch: runs of four temporal patches (``perception``), close-ups or windows a step.
        rate: highest learning rate; it rises for a twentieth of the steps and falls as a cosine.
        pool: clips that a step draws from. They are fresh: with every step some go and others
            come, and none returns.
        fresh: how many come with every step.
        decay: weight decay.
        encoder: the vision encoder's rate, as a share of the others'.
        often: kinds of event of which twice as many are met as of the others, or more where one is
            named several times; of what only resembles an event none is left out. Where frames are
            drawn by what they show, they are drawn as often, too.
        composed: windows of a batch of ``reading`` that are put together from what the encoder said
            of others.
        first: steps that the weights have behind them, where the stage goes on from a checkpoint.
    """

    steps: int
    batch: int
    rate: float
    pool: int = 64
    fresh: float = 1.0
    decay: float = 0.05
    encoder: float = 1.0
    often: tuple[EventKind, ...] = ()
    composed: int = 0
    first: int = 0

    @property
    def end(self) -> int:
        """The step after the last one."""
        return self.first + self.steps


NONE = StageRecipe(0, 1, 1e-3)
"""A stage that is left out."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run.

    The vision encoder learns to write into its tokens what each part of the picture shows, in a
    code that is laid down beforehand: from a convolutional teacher (``teacher``, ``distillation``),
    from whole frames as they come (``perception``) or drawn so that what is rare is met as often
    as the rest (``balanced``), and mostly from close-ups of what is rare (``closeups``).
    A recipe has the stages that its encoder needs. The language model learns to answer from
    windows written in that code, which cost no rendering (``language``). Neither needs the
    other, so they can run side by side. At last both learn together on encoded video (``joint``).

    What they begin from is random weights, those of a trained model of another family, or those of
    an earlier run.

    Attributes:
        size: name of the untrained checkpoint to begin from.
        perception: a stage of the vision encoder.
        balanced: its next, from as many frames of what is rare as of the rest.
        closeups: its next.
        language: the stage of the language model.
        joint: the stage of both.
        teacher: the stage of the vision encoder's teacher, where it has one.
        distillation: the stage of the vision encoder that learns from it, before all others.
        reading: a stage of the language model between ``language`` and ``joint``: it learns from
            what the encoder says.
        fps: sampled frames a second.
        window: seconds of a window.
        stride: seconds it moves by when it watches.
        frame_size: (width, height) in pixels that frames are resized to.
        seed: of clips, weights and batches.
        warm_start: name of a trained model of another family, whose weights are taken over as far
            as they fit (``warm_start.py``).
        goes_on_from: name of a model of an earlier run, whose weights are taken over whole.
    """

    size: str
    perception: StageRecipe
    closeups: StageRecipe
    language: StageRecipe
    joint: StageRecipe
    fps: float = 2.0
    window: float = 10.0
    stride: float = 2.0
    frame_size: tuple[int, int] = (384, 224)
    seed: int = 1
    teacher: StageRecipe = NONE
    distillation: StageRecipe = NONE
    balanced: StageRecipe = NONE
    reading: StageRecipe = NONE
    warm_start: str | None = None
    goes_on_from: str | None = None

    def has(self, stage: str) -> bool:
        """Whether anything is learnt in a stage."""
        own: StageRecipe = getattr(self, stage)
        return own.steps > 0

    @property
    def stages(self) -> dict[str, StageRecipe]:
        """The stages by their names."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, StageRecipe)}

    @property
    def last(self) -> Literal["reading", "joint"]:
        """The stage that a model comes of, and that a later run goes on with."""
        return "reading" if self.has("reading") and not self.has("joint") else "joint"

    def to_dict(self) -> dict[str, Any]:
        """Returns the recipe as JSON-ready values."""
        return asdict(self)


HARD: tuple[EventKind, ...] = ("loitering", "stealing", "abandoned", "fall", "fighting")
"""Kinds of event that are learnt last."""

RECIPES = {
    "tiny": Recipe(
        "tiny",
        perception=StageRecipe(2600, 8, 1.5e-3),
        closeups=StageRecipe(500, 64, 1.2e-3, pool=96, fresh=0.8),
        language=StageRecipe(1000, 8, 1.5e-3, pool=128, fresh=3.0),
        joint=StageRecipe(5300, 8, 6e-4, fresh=1.5, often=HARD),
    ),
    "tiny-internvl": Recipe(
        "internvl-tiny",
        teacher=StageRecipe(1200, 24, 2e-3, pool=96, fresh=0.4),
        distillation=StageRecipe(1600, 24, 1.5e-3, pool=96, fresh=0.4),
        perception=NONE,
        closeups=NONE,
        balanced=StageRecipe(
            2600, 24, 1e-3, pool=96, fresh=1.0, often=("fighting", "fall", "stealing", "wrong_way")
        ),
        language=StageRecipe(1200, 8, 1.5e-3, pool=128, fresh=3.0, often=(*HARD, "wrong_way")),
        reading=StageRecipe(
            4930,
            8,
            8e-4,
            pool=96,
            fresh=0.6,
            composed=4,
            often=(*3 * ("loitering", "stealing"), "fighting", "wrong_way"),
        ),
        joint=NONE,
        fps=1.0,
        frame_size=(360, 360),
        warm_start="costream/tiny",
    ),
}
"""Recipes of the models that ship, by the last part of their names."""
