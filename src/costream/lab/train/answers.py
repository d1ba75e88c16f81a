"""Learning to answer: what both stages that do have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from costream.lab.synth import EVENT_KINDS
from costream.lab.train import ranks
from costream.lab.train.clips import Clip, Make, open_reel
from costream.lab.train.code import Code
from costream.lab.train.labels import is_on, is_shown
from costream.lab.train.layout import hidden_states, lay_out
from costream.lab.train.precision import autocast
from costream.lab.train.progress import Progress
from costream.lab.train.recipe import Recipe, StageRecipe
from costream.lab.train.stage import Stage, make_head, mean_points, run_stage
from costream.lab.train.windows import (
    Example,
    ExampleDraw,
    draw_dialogues,
    draw_timestamps,
    list_examples,
)
from costream.models import FrameGeometry, ModelAdapter, VisualTokens

SENTENCE = 0.1
"""Weight of an answer's later tokens: the first one is what scores are read from."""

HEADS = 3 * len(EVENT_KINDS)
"""Logits of the head that only training has."""

ANSWERS = 4.0
"""Weight of the answers beside what the head tells."""

RARE = 3.0
"""How much more it counts to have told what happened than what did not."""


LANGUAGE = ("model.language_model.", "lm_head.")
"""How the names of weights begin that are not the vision encoder's."""


class Examiner:
    """Asks about windows and judges the answers.

    An answer alone is a thin signal. From hidden states a head that only training has must
    also tell, at the end of each temporal patch, what the window has shown up to there and what is
    going on, and, where an answer begins, what it is that is asked for.

    Args:
        model: the model.
        geometry: how frames are cut.
        head: from a hidden state to :data:`HEADS` logits: for each kind of event whether it was
            shown, is going on, and is asked for.
        recipe: the run.
    """

    def __init__(
        self, model: ModelAdapter, geometry: FrameGeometry, head: nn.Module, recipe: Recipe
    ) -> None:
        self.model, self.geometry, self.recipe = model, geometry, recipe
        self.head = head

    def loss(
        self,
        example: Example,
        clip: Clip,
        visuals: Sequence[VisualTokens],
        draw: np.random.Generator,
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss of one window, its parts, and the shares of yes and no that are answered right.

        A share is NaN where there was nothing to ask.
        """
        model = self.model
        timestamps = draw_timestamps(example, draw, self.recipe, model.temporal_patch)
        dialogues, kinds = draw_dialogues(example, draw)
        layout = lay_out(model, self.geometry, timestamps, dialogues)
        with autocast(model.kv_shape.device):
            hidden = hidden_states(model, layout, visuals)
            logits = model.logits(hidden[layout.sources.to(hidden.device)]).float()
            told = self.head(hidden[layout.ends.to(hidden.device)]).float()
            begins = layout.sources[layout.first].to(hidden.device)
            asked = self.head(hidden[begins]).float()[:, 2 * len(EVENT_KINDS) :]
        targets, first = layout.targets.to(logits.device), layout.first.to(logits.device)
        losses = functional.cross_entropy(logits, targets, reduction="none")
        meant = torch.tensor([EVENT_KINDS.index(kind) for kind in kinds], device=logits.device)
        understood = functional.cross_entropy(asked, meant)
        shown = torch.tensor([example.shown[kind] for kind in kinds], device=logits.device)
        weights = torch.full_like(losses, SENTENCE)
        weights[first] = torch.where(shown, RARE, 1.0)
        right = (logits[first].argmax(-1) == targets[first]).float()
        shares = {"yes": float(right[shown].mean()), "no": float(right[~shown].mean())}
        answered = (losses * weights).sum() / len(dialogues)
        told_right = self._tell(example, clip, told[:, : 2 * len(EVENT_KINDS)])
        shares["answers"], shares["telling"] = answered.item(), told_right.item()
        return ANSWERS * answered + told_right + understood, shares

    def _tell(self, example: Example, clip: Clip, told: Tensor) -> Tensor:
        """The loss of telling what each patch brings.

        Args:
            example: the window.
            clip: its clip.
            told: logits [patches, 2 * kinds]: of what was shown up to each, and is going on in it.
        """
        span = self.model.temporal_patch / self.recipe.fps
        start = example.first * span
        labels = [
            [is_shown(kind, start, start + (n + 1) * span, clip.events) for kind in EVENT_KINDS]
            + [is_on(kind, start + n * span, start + (n + 1) * span, clip.events)
               for kind in EVENT_KINDS]
            for n in range(example.length)
        ]  # fmt: skip
        clear = torch.tensor([[shown is not None for shown in row] for row in labels])
        shown = torch.tensor([[bool(shown) for shown in row] for row in labels]).float()
        losses = functional.binary_cross_entropy_with_logits(
            told, shown.to(told.device), reduction="none"
        )
        return (losses * (clear * (1 + RARE * shown)).to(told.device)).mean() * len(EVENT_KINDS)


Judge = Callable[[Clip, Example, np.random.Generator], tuple[Tensor, dict[str, float]]]
"""Returns the loss of one window, and what the curves show of it."""


@dataclass(frozen=True, slots=True)
class Supply:
    """Windows of one make that a stage learns from.

    Attributes:
        make: makes their clips.
        seed: of their videos.
        judge: judges one.
        stage: how many there are in a batch, and what they are drawn from.
    """

    make: Make
    seed: int
    judge: Judge
    stage: StageRecipe


class AnswerStage(Stage):
    """A stage that learns to answer questions on windows of clips."""

    def __init__(
        self, model: ModelAdapter, geometry: FrameGeometry, code: Code, recipe: Recipe
    ) -> None:
        super().__init__(model, geometry, code, recipe)
        self.head = make_head(model, HEADS, recipe.seed)
        self.examiner = Examiner(model, geometry, self.head, recipe)

    def length(self, step: int) -> int | None:
        """Temporal patches of a step's windows, where they are not whole ones."""
        return None

    def _encoder(self) -> list[nn.Parameter]:
        """Returns the weights of what makes visual tokens."""
        named = self.model.model.named_parameters()
        return [p for name, p in named if not name.startswith(LANGUAGE)]

    def run(
        self, name: str, stage: StageRecipe, supplies: Sequence[Supply], progress: Progress
    ) -> None:
        """Runs the stage from where it stands.

        Args:
            name: what it is called.
            stage: how it learns.
            supplies: what from, each for its part of a batch.
            progress: where it stands.
        """
        with ExitStack() as stack:
            reels = [
                stack.enter_context(open_reel(s.make, self.recipe, s.seed, s.stage))
                for s in supplies
            ]
            windows = sum(_windows(supply) for supply in supplies)

            def learn(step: int, draw: np.random.Generator) -> dict[str, float]:
                points = []
                for supply, reel in zip(supplies, reels, strict=True):
                    for loss, point in self._judged(supply, reel.at(step), step, draw):
                        torch.autograd.backward(loss / windows)
                        points.append(point)
                return mean_points(points)

            modules = {"model": self.model.model, "head": self.head}
            progress.restore_head(self.head)
            run_stage(name, stage, modules, learn, progress, self.recipe.seed, self._encoder())
            progress.finish_head(self.head)

    def _judged(
        self, supply: Supply, clips: Sequence[Clip], step: int, draw: np.random.Generator
    ) -> Iterator[tuple[Tensor, dict[str, float]]]:
        """Draws a supply's part of a batch, and judges one window after the other."""
        patch = self.model.temporal_patch
        examples = list_examples(clips, self.recipe, patch, self.length(step))
        taken = ExampleDraw(examples, draw, supply.stage.often)
        for _ in range(_windows(supply)):
            example = taken.take()
            yield supply.judge(clips[example.clip], example, draw)


def _windows(supply: Supply) -> int:
    """Windows of a batch that this process draws."""
    return max(1, supply.stage.batch // ranks.world())
