"""What is asked before a camera, and whose question an answer is of."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from costream.engine.asks import Ask
from costream.engine.result import Answer, Result
from costream.serve.config.watched import WatchedQuestion

_ROUNDS = 16
"""Changes of the questions that answers may lie behind."""


class Asking:
    """The questions before one camera, as they change. Any thread may use it.

    Questions that say the same are asked once.
    """

    def __init__(self) -> None:
        self._rounds: deque[tuple[WatchedQuestion, ...]] = deque(maxlen=_ROUNDS)

    @property
    def questions(self) -> tuple[WatchedQuestion, ...]:
        """Those that are asked now."""
        return self._rounds[-1] if self._rounds else ()

    def change(self, questions: Sequence[WatchedQuestion]) -> bool:
        """Notes what is asked from now on; says whether the engine has to be told."""
        before = asks_of(self.questions)
        if tuple(questions) != self.questions:
            self._rounds.append(tuple(questions))
        return before != asks_of(questions)

    def answered(self, result: Result) -> Iterator[tuple[WatchedQuestion, Answer]]:
        """Yields the questions that a result answers, each with its answer.

        They are those of the newest round in which exactly this was asked: of one that was renamed
        or whose rule was changed meanwhile, as it is now.
        """
        answers = {(answer.ask, answer.zone): answer for answer in result.answers}
        for questions in reversed(self._rounds):
            if [ask.key for ask in asks_of(questions)] == list(answers):
                yield from ((question, answers[_ask(question).key]) for question in questions)
                return


def asks_of(questions: Sequence[WatchedQuestion]) -> tuple[Ask, ...]:
    """Returns what the engine is asked, each once, with the scores from which on it alerts."""
    asks: dict[tuple[str, str | None], Ask] = {}
    for ask in map(_ask, questions):
        known = asks.setdefault(ask.key, ask)
        levels = tuple(sorted({*known.levels, *ask.levels}))
        asks[ask.key] = replace(known, levels=levels)
    return tuple(asks.values())


def _ask(question: WatchedQuestion) -> Ask:
    threshold = question.rule.threshold
    levels = () if threshold is None else (threshold,)
    return Ask(question.ask.strip(), question.zone, levels)
