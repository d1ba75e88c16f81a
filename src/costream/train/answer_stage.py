"""Second and third stage: answers on full windows, at first with the encoder at rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from costream.models import FrameGeometry, ModelAdapter, VisualTokens
from costream.synth import EVENT_KINDS
from costream.train.clips import Clip
from costream.train.features import Features, encode_clip, read_patches
from costream.train.labels import is_shown
from costream.train.layout import hidden_states, lay_out
from costream.train.progress import Progress
from costream.train.recipe import Recipe, StageRecipe
from costream.train.stage import make_head, run_stage
from costream.train.view import draw_view
from costream.train.windows import (
    Example,
    ExampleDraw,
    draw_dialogues,
    draw_moments,
    list_examples,
)

TIGHTEST = 0.92
"""Smallest share of the picture's sides that a window shows: events must stay in it."""

SENTENCE = 0.1
"""Weight of an answer's later tokens: the first one is what scores are read from."""

RARE = 4.0
"""How much more it counts to have told what happened than what did not."""

Encode = Callable[[Example, range, np.random.Generator], list[VisualTokens]]


class AnswerStage:
    """A stage that learns to answer.

    At the end of each temporal patch a head of its own, thrown away afterwards, has to tell
    from the hidden state what the window has shown up to there: an answer alone is a thin signal.

    Args:
        model: the model.
        geometry: how frames are cut.
        clips: the training clips.
        recipe: the run.
    """

    def __init__(
        self, model: ModelAdapter, geometry: FrameGeometry, clips: Sequence[Clip], recipe: Recipe
    ) -> None:
        self.model, self.geometry, self.clips, self.recipe = model, geometry, clips, recipe
        self._examples = list_examples(clips, recipe, model.temporal_patch)
        self._length = round(recipe.window * recipe.fps) // model.temporal_patch
        self._head = make_head(model, len(EVENT_KINDS), recipe.seed)

    def learn_resting(self, features: Sequence[Features], progress: Progress) -> None:
        """Learns on features that stay as they are."""

        def encode(
            example: Example, numbers: range, draw: np.random.Generator
        ) -> list[VisualTokens]:
            return [features[example.clip].tokens(number) for number in numbers]

        self._learn("answers", self.recipe.answers, encode, progress)

    def learn_jointly(self, progress: Progress) -> None:
        """Learns with the encoder."""

        def encode(
            example: Example, numbers: range, draw: np.random.Generator
        ) -> list[VisualTokens]:
            clip = self.clips[example.clip]
            view = draw_view(clip, draw, TIGHTEST)
            patches = read_patches(self.model, self.geometry, clip, numbers, view)
            with torch.autocast(self.model.kv_shape.device.type, torch.bfloat16):
                return self.model.encode(patches, self.geometry)

        self._learn("joint", self.recipe.joint, encode, progress)

    def _learn(self, name: str, stage: StageRecipe, encode: Encode, progress: Progress) -> None:

        def learn(draw: np.random.Generator) -> dict[str, float]:
            taken = ExampleDraw(self._examples, draw)
            points = []
            for _ in range(stage.batch):
                loss, shares = self._loss(taken.take(), encode, draw)
                torch.autograd.backward(loss / stage.batch)
                points.append((loss.item(), *shares))
            # A batch may ask nothing whose answer is yes.
            means = np.ma.masked_invalid(points).mean(axis=0).filled(np.nan).tolist()
            return dict(zip(("loss", "yes", "no"), means, strict=True))

        seed = (self.recipe.seed, 22)
        run_stage(name, stage, self.model, self._head, learn, progress, seed)

    def _loss(
        self, example: Example, encode: Encode, draw: np.random.Generator
    ) -> tuple[Tensor, tuple[float, float]]:
        """The loss of one window, and the shares of what is yes and no that are answered right.

        A share is NaN where there was nothing to ask.
        """
        model, recipe = self.model, self.recipe
        numbers = range(example.first, example.first + self._length)
        moments = draw_moments(example, draw, self._length, recipe, model.temporal_patch)
        dialogues, kinds = draw_dialogues(example, draw, recipe.negatives)
        layout = lay_out(model, self.geometry, moments, dialogues)
        hidden = hidden_states(model, layout, encode(example, numbers, draw))
        logits = model.logits(hidden[layout.sources.to(hidden.device)])
        targets, first = layout.targets.to(logits.device), layout.first.to(logits.device)
        losses = functional.cross_entropy(logits, targets, reduction="none")
        shown = torch.tensor([example.shown[kind] for kind in kinds], device=logits.device)
        weights = torch.full_like(losses, SENTENCE)
        weights[first] = torch.where(shown, RARE, 1.0)
        right = (logits[first].argmax(-1) == targets[first]).float()
        shares = float(right[shown].mean()), float(right[~shown].mean())
        told = self._tell(example, hidden[layout.ends.to(hidden.device)])
        return (losses * weights).sum() / len(dialogues) + told, shares

    def _tell(self, example: Example, hidden: Tensor) -> Tensor:
        """The loss of telling, from [patches, hidden], what has been shown up to each patch."""
        span = self.model.temporal_patch / self.recipe.fps
        start, events = example.first * span, self.clips[example.clip].events
        labels = [
            [is_shown(kind, start, start + (n + 1) * span, events) for kind in EVENT_KINDS]
            for n in range(self._length)
        ]
        clear = torch.tensor([[shown is not None for shown in row] for row in labels])
        shown = torch.tensor([[bool(shown) for shown in row] for row in labels]).float()
        losses = functional.binary_cross_entropy_with_logits(
            self._head(hidden), shown.to(hidden.device), reduction="none"
        )
        return (losses * (clear * (1 + RARE * shown)).to(hidden.device)).mean() * len(EVENT_KINDS)


def encode_clips(
    model: ModelAdapter, geometry: FrameGeometry, clips: Sequence[Clip]
) -> list[Features]:
    """Encodes all clips with the encoder as it is."""
    return [encode_clip(model, geometry, clip) for clip in clips]
