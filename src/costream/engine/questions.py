"""Questions on a window: branches that share the video's keys and don't see each other.

A question with a yes or a no for its answer needs no decoding: its score is read off the
distribution of the first answer token. Sentences are written only where they are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import takewhile
from math import isnan

import numpy as np
import torch
from torch import Tensor

from costream.engine.asks import Ask, zoned_asks
from costream.engine.page_table import Ints
from costream.engine.plan import SHARED, take
from costream.engine.result import Answer
from costream.engine.wording import put
from costream.models import ModelAdapter, Segment
from costream.settings import EngineSettings

logger = logging.getLogger("costream")


class Questions:
    """The questions of one stream, laid out once.

    Args:
        model: the model that is asked.
        asks: the questions in plain words, some of them about zones. ``prompts`` holds them as the
            model is asked.
        settings: how a question is put, and what its answers' scores are.

    Attributes:
        zones: the zones that are asked about; None is the whole picture, and always the first.
        pieces: (branch, tokens) of how all questions about one zone begin, which is computed once,
            and of the rest of each question.
        branches: int64 [tokens], the branch of each token, in the order of the pieces.
        audience: int64 [tokens], the bit of each token's zone, counted as in ``zones``; None where
            all are about the whole picture.

    Raises:
        SettingsError: there is no question, one is empty, or one is not valid Unicode.
    """

    def __init__(
        self, model: ModelAdapter, asks: Sequence[str | Ask], settings: EngineSettings
    ) -> None:
        self.asks = zoned_asks(
            asks, [ask.zone for ask in asks if isinstance(ask, Ask) and ask.zone]
        )
        texts = [ask.text for ask in self.asks]
        # A calibration is true of the spelling that it was measured with: that one is asked.
        wordings = [settings.calibrated_wording(text) or text for text in texts]
        self.prompts = [put(wording, settings.ask_form) for wording in wordings]
        self._model = model
        self._settings = settings
        self._warned = False
        segments = [model.question(prompt) for prompt in self.prompts]
        self.spans = [segment.span for segment in segments]
        self.zones = list(dict.fromkeys([None, *(ask.zone for ask in self.asks)]))
        about = [self.zones.index(ask.zone) for ask in self.asks]
        pieces = _pieces(segments, about)
        self.pieces = [(branch, segment) for branch, _, segment in pieces]
        lengths = [len(segment) for _, segment in self.pieces]
        self.branches: Ints = np.repeat([branch for branch, _ in self.pieces], lengths)
        bits: Ints = np.repeat([1 << zone for _, zone, _ in pieces], lengths)
        self.audience = bits if any(about) else None

    @property
    def tokens(self) -> int:
        """Tokens that are computed for all questions."""
        return len(self.branches)

    def answers(self, scores: Sequence[float], texts: Mapping[int, str]) -> tuple[Answer, ...]:
        """Returns the answers: each question's score with what it means.

        Args:
            scores: as :meth:`scores` returns them.
            texts: written answers, by number of the question.
        """
        settings = self._settings
        self._warn(scores)
        return tuple(
            Answer(
                ask.text,
                score,
                texts.get(number),
                threshold=settings.threshold_for(ask.text),
                calibrated=settings.calibrated_wording(ask.text) is not None,
                zone=ask.zone,
            )
            for number, (ask, score) in enumerate(zip(self.asks, scores, strict=True))
        )

    def _warn(self, scores: Sequence[float]) -> None:
        """Reports, once, that the model computed something that is not a number."""
        broken = [ask.text for ask, score in zip(self.asks, scores, strict=True) if isnan(score)]
        if broken and not self._warned:
            self._warned = True
            logger.warning(
                "the model's answer to %r is not a number and counts as neither yes nor no: "
                "its weights are damaged or too large for their type (try another --dtype)",
                broken[0],
            )

    def scores(self, logits: Tensor) -> list[float]:
        """Returns the score of yes against no, 0..1: one for each question's row of logits.

        A score is not a number where the logits are none.
        """
        tokens = logits.float().softmax(dim=-1)
        yes = tokens[:, self._model.yes_ids].sum(-1)
        no = tokens[:, self._model.no_ids].sum(-1)
        chances = (yes / (yes + no).clamp_min(torch.finfo(yes.dtype).tiny)).tolist()
        pairs = zip(self.asks, chances, strict=True)
        return [self._settings.calibrated(ask.text, chance) for ask, chance in pairs]

    def likeliest(self, logits: Tensor) -> list[int]:
        """Returns the likeliest token of each row that an answer may hold."""
        allowed = logits.clone()
        allowed[:, list(self._model.barred_ids)] = -torch.inf
        likeliest: list[int] = allowed.argmax(-1).tolist()
        return likeliest


def _pieces(segments: Sequence[Segment], about: Sequence[int]) -> list[tuple[int, int, Segment]]:
    """Cuts questions where they part from others about their zone.

    Args:
        segments: the questions.
        about: the number of each one's zone.

    Returns:
        (branch, zone, tokens): how those about each zone begin, then the rest of each question, at
        least its last token.
    """
    shared = {
        zone: _shared([s for s, other in zip(segments, about, strict=True) if other == zone])
        for zone in about
    }
    heads = [np.arange(len(s)) < shared[zone] for s, zone in zip(segments, about, strict=True)]
    stems = [
        (SHARED, zone, take(segments[about.index(zone)], heads[about.index(zone)]))
        for zone, length in shared.items()
        if length
    ]
    rest = [
        (branch, zone, take(segment, ~head))
        for branch, (zone, segment, head) in enumerate(zip(about, segments, heads, strict=True))
    ]
    return [*stems, *rest]


def _shared(segments: Sequence[Segment]) -> int:
    """Returns how many tokens questions have in common before they part, or the last ends."""
    columns = zip(*(segment.ids.tolist()[:-1] for segment in segments), strict=False)
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, columns))
