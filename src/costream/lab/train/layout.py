"""A full window and its dialogues as one sequence, laid out the way that the engine does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from costream.engine.wording import PUBLISHED_FORM, put
from costream.lab.synth.events import EVENTS
from costream.models import FrameGeometry, ModelAdapter, Segment, Timestamp, VisualTokens

SHARED = -1

FORM = "{ask}"
"""How the trained models are asked: what to begin an answer with they know, and it costs tokens."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A question on a window, in plain words, and the answer it should get.

    Attributes:
        question: the question.
        answer: a sentence that begins with yes or no.
        whole: whether the sentence is learnt, and not its first token alone.
    """

    question: str
    answer: str
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """A sequence to learn from.

    Attributes:
        segments: prompt, frames, then a question with its answer for each dialogue.
        positions: int64 [axes, tokens].
        mask: bool [tokens, tokens]: causal, and dialogues don't see each other.
        sources: int64 [answers], the tokens from which an answer's tokens are told.
        targets: int64 [answers], what they should tell.
        first: bool [answers], true for the first token of an answer.
        ends: int64 [patches], the last token of each temporal patch.
    """

    segments: list[Segment]
    positions: Tensor
    mask: Tensor
    sources: Tensor
    targets: Tensor
    first: Tensor
    ends: Tensor


class MaskedAttention:
    """Attention of a whole sequence that is learnt from in one pass.

    Args:
        mask: bool [tokens, tokens], true where a token sees another.
    """

    def __init__(self, mask: Tensor) -> None:
        self._mask = mask

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Returns what the tokens gather: [tokens, heads, head_dim]."""
        mixed: Tensor = functional.scaled_dot_product_attention(
            queries[None], keys[None], values[None], self._mask, scale=scale, enable_gqa=True
        )
        return mixed[0].transpose(0, 1)


def all_words() -> list[str]:
    """Returns everything that is asked and answered, for the tokenizer to learn from."""
    alarms = EVENTS.values()
    questions = [put(question, PUBLISHED_FORM) for alarm in alarms for question in alarm.questions]
    return [*questions, *(line for alarm in alarms for line in (alarm.yes, alarm.no))]


def lay_out(
    model: ModelAdapter,
    geometry: FrameGeometry,
    timestamps: Sequence[Timestamp],
    dialogues: Sequence[Dialogue],
) -> Layout:
    """Lays out a full window.

    Args:
        model: the model that learns.
        geometry: how frames are cut.
        timestamps: where each temporal patch stands behind the position base.
        dialogues: what is asked and answered.
    """
    whole = torch.ones(geometry.grid.groups, dtype=torch.bool)
    shared = [
        model.prompt(),
        *(model.frame(timestamp, whole, geometry) for timestamp in timestamps),
    ]
    begins = torch.tensor([0, *(segment.span for segment in shared)]).cumsum(0).tolist()
    answers = [_answer_ids(model, d) for d in dialogues]
    asked = [model.question(put(d.question, FORM)) for d in dialogues]
    branches = [_continue(model, q, a) for q, a in zip(asked, answers, strict=True)]
    segments = [*shared, *branches]
    behind = model.text_start(begins[1], begins[-2], begins[-1], geometry)
    starts = [*map(model.start, begins[:-1]), *[behind] * len(branches)]
    owners = [SHARED] * len(shared) + list(range(len(branches)))
    return Layout(
        segments,
        torch.cat([s.positions + at for s, at in zip(segments, starts, strict=True)], dim=1),
        _mask(torch.cat([torch.full((len(s),), o) for s, o in zip(segments, owners, strict=True)])),
        *_targets(sum(map(len, shared)), asked, answers),
        torch.tensor([len(segment) for segment in shared]).cumsum(0)[1:] - 1,
    )


def hidden_states(model: ModelAdapter, layout: Layout, visuals: Sequence[VisualTokens]) -> Tensor:
    """Runs the language model over a layout: [tokens, hidden], with gradients where they are on.

    Args:
        model: the model.
        layout: the sequence.
        visuals: the features of its temporal patches, in order.
    """
    device, pending = model.kv_shape.device, iter(visuals)
    embeds = [
        model.embed(segment, next(pending) if bool(segment.visual.any()) else None)
        for segment in layout.segments
    ]
    return model.forward(
        torch.cat(embeds),
        layout.positions.to(device),
        torch.cat([segment.visual for segment in layout.segments]).nonzero().squeeze(1).to(device),
        torch.cat([v.deepstack for v in visuals], dim=1),
        MaskedAttention(layout.mask.to(device)),
    )


def _answer_ids(model: ModelAdapter, dialogue: Dialogue) -> list[int]:
    ids: list[int] = model.tokenizer.encode(dialogue.answer, add_special_tokens=False)
    return [*ids, model.tokenizer.eos_token_id] if dialogue.whole else ids[:1]


def _continue(model: ModelAdapter, question: Segment, answer: Sequence[int]) -> Segment:
    # The last token of an answer is told, and nothing is told from it.
    more = model.text(answer[:-1])
    return Segment(
        torch.cat([question.ids, more.ids]),
        torch.cat([question.visual, more.visual]),
        torch.cat([question.positions, more.positions + question.span], dim=1),
        question.span + more.span,
    )


def _mask(owners: Tensor) -> Tensor:
    order = torch.arange(len(owners))
    mine = (owners[None] == SHARED) | (owners[None] == owners[:, None])
    return (order[None] <= order[:, None]) & mine


def _targets(
    start: int, asked: Sequence[Segment], answers: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor, Tensor]:
    sources: list[int] = []
    first: list[bool] = []
    for question, answer in zip(asked, answers, strict=True):
        tells = start + len(question) - 1
        sources += range(tells, tells + len(answer))
        first += [True] + [False] * (len(answer) - 1)
        start = tells + len(answer)
    targets = [token for answer in answers for token in answer]
    return torch.tensor(sources), torch.tensor(targets), torch.tensor(first)
