"""The loop that every stage of training runs in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from zlib import crc32

import numpy as np
import torch
from torch import nn

from costream.lab.train import ranks
from costream.lab.train.code import Code
from costream.lab.train.optimiser import Optimiser
from costream.lab.train.progress import Progress
from costream.lab.train.recipe import Recipe, StageRecipe
from costream.models import FrameGeometry, ModelAdapter

NOTE_EVERY = 50
"""Steps from one point of the curves to the next."""

SAVE_EVERY = 50
"""Steps from one checkpoint to the next."""


class Stage(ABC):
    """A stage of training.

    Args:
        model: the model, of which a stage may teach a part.
        geometry: how whole frames are cut.
        code: what visual tokens are to say.
        recipe: the run.

    Attributes:
        learnt: what has learnt, once the stage has ended: the model, where it is nothing else.
    """

    def __init__(
        self, model: ModelAdapter, geometry: FrameGeometry, code: Code, recipe: Recipe
    ) -> None:
        self.model, self.geometry, self.code, self.recipe = model, geometry, code, recipe
        self.learnt: nn.Module = model.model

    @abstractmethod
    def learn(self, progress: Progress) -> None:
        """Runs the stage from where it stands."""


Learn = Callable[[int, np.random.Generator], dict[str, float]]
"""Gathers the gradients of one step's batch, drawn by the generator; returns what curves show."""


def make_head(model: ModelAdapter, outputs: int, seed: int) -> nn.Linear:
    """Makes a linear head on the model's hidden states, which only training uses."""
    width = model.embed(model.prompt(), None).shape[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(width, outputs).to(model.kv_shape.device)


def mean_points(points: Sequence[dict[str, float]]) -> dict[str, float]:
    """Averages what windows or steps have shown, NaN aside."""
    columns = {key: np.ma.masked_invalid([point[key] for point in points]) for key in points[0]}
    return {key: float(np.ma.filled(values.mean(), np.nan)) for key, values in columns.items()}


def _draw(seed: int, name: str, step: int) -> np.random.Generator:
    return np.random.default_rng((seed, crc32(name.encode()), step, ranks.rank()))


def run_stage(
    name: str,
    stage: StageRecipe,
    modules: Mapping[str, nn.Module],
    learn: Learn,
    progress: Progress,
    seed: int,
    encoder: Iterable[nn.Parameter] = (),
) -> None:
    """Runs a stage from where it stands. A step's batch follows from its number and the seed.

    Args:
        name: what the stage is called.
        stage: how it learns.
        modules: what learns.
        learn: one step's batch.
        progress: where the stage stands.
        seed: of the batches.
        encoder: the vision encoder's weights among what learns.
    """
    optimiser = Optimiser(modules.values(), stage, encoder)
    parts = {**modules, "optimiser": optimiser}
    points: list[dict[str, float]] = []
    for step in range(progress.restore(name, parts, stage.first), stage.end):
        points.append(learn(step, _draw(seed, name, step)))
        optimiser.step()
        if (step + 1) % NOTE_EVERY == 0:
            progress.note(name, step + 1, mean_points(points))
            points = []
        if (step + 1) % SAVE_EVERY == 0:
            progress.save(name, step + 1, parts)
