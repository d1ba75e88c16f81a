"""Questions on a window: branches that share the video's keys and don't see each other.

A question with a yes or a no for its answer needs no decoding: its score is read off the
distribution of the first answer token. Sentences are written only where they are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from math import isnan

import torch
from torch import Tensor

from costream.engine.asks import checked_asks
from costream.engine.prefill import Piece, run_of
from costream.engine.session import Session
from costream.engine.verdict import Answer
from costream.engine.wording import put
from costream.models import ModelAdapter
from costream.settings import EngineSettings

logger = logging.getLogger("costream")


class Questions:
    """The questions of one stream, laid out once.

    Args:
        model: the model that is asked.
        asks: the questions in plain words. ``prompts`` holds them as the model is asked.
        settings: how a question is put, and what its answers' scores are.

    Raises:
        SettingsError: there is no question, one is empty, or one is not valid Unicode.
    """

    def __init__(self, model: ModelAdapter, asks: Sequence[str], settings: EngineSettings) -> None:
        self.asks = checked_asks(asks)
        # A calibration is true of the spelling that it was measured with: that one is asked.
        wordings = [settings.calibrated_wording(ask) or ask for ask in self.asks]
        self.prompts = [put(wording, settings.ask_form) for wording in wordings]
        self._model = model
        self._settings = settings
        self._warned = False
        self._segments = [model.question(prompt) for prompt in self.prompts]
        self._branches = torch.cat(
            [torch.full((len(s),), branch) for branch, s in enumerate(self._segments)]
        )

    @property
    def tokens(self) -> int:
        """Tokens of all questions."""
        return len(self._branches)

    def ask(self, session: Session, slot: int, pieces: Sequence[Piece]) -> Tensor:
        """Runs what has to be prefilled and all questions, in one pass.

        Args:
            session: the window; its scratch slots hold the questions until they are released.
            slot: the first of as many reserved scratch slots as there are :attr:`tokens`.
            pieces: tokens of the window to compute, in slot order.

        Returns:
            The logits at each question's first answer token: [questions, vocabulary].
        """
        lengths = torch.tensor([len(segment) for segment in self._segments])
        starts = (lengths.cumsum(0) - lengths + slot).tolist()
        branches = [
            Piece(segment, None, session.end_position, run_of(start, len(segment)), branch)
            for branch, (segment, start) in enumerate(zip(self._segments, starts, strict=True))
        ]
        hidden = session.prefill.run([*pieces, *branches], self._branches)
        ends = lengths.cumsum(0) - self.tokens - 1 + len(hidden)
        return session.prefill.logits(hidden[ends.to(hidden.device)])

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
                ask,
                score,
                texts.get(number),
                threshold=settings.threshold_for(ask),
                calibrated=settings.calibrated_wording(ask) is not None,
            )
            for number, (ask, score) in enumerate(zip(self.asks, scores, strict=True))
        )

    def _warn(self, scores: Sequence[float]) -> None:
        """Reports, once, that the model computed something that is not a number."""
        broken = [ask for ask, score in zip(self.asks, scores, strict=True) if isnan(score)]
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
        return [self._settings.calibrated(ask, chance) for ask, chance in pairs]

    def write(
        self, session: Session, logits: Tensor, chosen: Sequence[int], limit: int
    ) -> dict[int, list[int]]:
        """Writes answers greedily, those of all chosen questions side by side.

        Args:
            session: the window, with the questions still in its scratch slots.
            logits: those that :meth:`ask` returned.
            chosen: the questions to answer, by number.
            limit: most tokens of an answer.

        Returns:
            The tokens of each answer, by question.
        """
        written: dict[int, list[int]] = {branch: [] for branch in chosen}
        nexts = dict(zip(chosen, self._likeliest(logits[list(chosen)]), strict=True))
        branches = self._branches
        while nexts := self._take(nexts, written, limit):
            slot = session.reserve(len(nexts))
            branches = torch.cat([branches, torch.tensor(list(nexts))])
            pieces = [
                self._next_piece(session, branch, token, len(written[branch]), slot + row)
                for row, (branch, token) in enumerate(nexts.items())
            ]
            rows = session.prefill.logits(session.prefill.run(pieces, branches))
            nexts = dict(zip(nexts, self._likeliest(rows), strict=True))
        return written

    def _likeliest(self, logits: Tensor) -> list[int]:
        """Returns the likeliest token of each row that an answer may hold."""
        allowed = logits.clone()
        allowed[:, list(self._model.barred_ids)] = -torch.inf
        likeliest: list[int] = allowed.argmax(-1).tolist()
        return likeliest

    def _next_piece(
        self, session: Session, branch: int, token: int, written: int, slot: int
    ) -> Piece:
        position = session.end_position + self._segments[branch].span + written - 1
        return Piece(self._model.text([token]), None, position, run_of(slot, 1), branch)

    def _take(
        self, nexts: dict[int, int], written: dict[int, list[int]], limit: int
    ) -> dict[int, int]:
        """Adds the next tokens to what is written; returns those that are to be continued."""
        alive = {b: token for b, token in nexts.items() if token not in self._model.eos_ids}
        for branch, token in alive.items():
            written[branch].append(token)
        return {b: token for b, token in alive.items() if len(written[b]) < limit}
