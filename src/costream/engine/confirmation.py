"""An answer that turns to yes is told once full recomputation says so, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import nan
from time import monotonic

from costream.engine.asks import Ask
from costream.engine.bell import Bell
from costream.engine.feed import Feed
from costream.engine.ingest import PastWindow, WindowInput
from costream.engine.plan import Plan
from costream.engine.recomputing import DISAGREES, Recall, RecomputingFeed
from costream.engine.result import Answer, Confirmation, Result
from costream.errors import PoolExhaustedError

LATEST = 20.0
"""Seconds for which a result of a live stream is held back, at most."""


class Levels:
    """Which answers of one stream turn to yes.

    An answer rises where its score reaches a level that the score told before did not: the
    threshold, or a score from which on somebody wants to be alerted.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, str | None], float] = {}

    def risen(self, asks: Sequence[Ask], answers: Sequence[Answer]) -> list[int]:
        """Returns the numbers of the answers that rise."""
        return [
            number
            for number, (ask, answer) in enumerate(zip(asks, answers, strict=True))
            if _reached(ask, answer) > _reached(ask, answer, self._told.get(ask.key, nan))
        ]

    def tell(self, asks: Sequence[Ask], answers: Sequence[Answer]) -> None:
        """Takes note of what is told."""
        pairs = zip(asks, answers, strict=True)
        self._told = {ask.key: answer.score for ask, answer in pairs}


@dataclass(eq=False)
class _Held:
    """A result that is held back.

    Attributes:
        result: the result.
        asks: what was asked.
        risen: numbers of the answers that turned to yes.
        deadline: when its window was due, on the clock of ``time.monotonic``.
        since: since when it is held.
    """

    result: Result
    asks: Sequence[Ask]
    risen: Sequence[int]
    deadline: float
    since: float


class ConfirmingFeed(RecomputingFeed):
    """Has a window run in full before one of its answers turns to yes.

    The result is held back, and with it the stream, until the window was decoded anew, all of its
    frames, and run without pruning or reuse, as urgently as the window itself. The answers that
    rose then are those of full recomputation; if these are a no, the next window may try again.
    Where the score of one of them differs by more than :data:`DISAGREES`, keys and values of the
    stream are computed anew with its next window. What does not overlap with what was told last,
    since the camera was away meanwhile, is told as if nothing had been.

    A window that can't be run in full is told as it is: its packets are gone, the pool is too small
    for it, or a camera would wait for longer than :data:`LATEST`.

    So nobody is alerted by what pruning, reuse or decoding have made of a picture, at the price of
    a window in full for each answer that turns to yes.

    Args:
        feed: the stream.
        recall: returns a window of the past.
        bell: rung when one is there.
    """

    def __init__(self, feed: Feed, recall: Recall, bell: Bell) -> None:
        super().__init__(feed, recall, bell)
        self._feed = feed
        self._levels = Levels()
        self._until = 0  # the tick behind the last window
        self._held: _Held | None = None
        self._released: Result | None = None
        self._fits = True

    @property
    def holds(self) -> bool:
        return self._held is not None

    def deadline(self, window: WindowInput) -> float:
        return monotonic() if self._held is None else self._held.deadline

    def consider(self, plan: Plan, result: Result) -> Result | None:
        """Returns a result that can be told; None where it is held back until it is confirmed."""
        window, asks = plan.window, self._main.questions.asks
        if window.start > self._until:
            self._levels = Levels()
        self._until = window.end
        risen = self._levels.risen(asks, result.answers)
        if not risen:
            self._levels.tell(asks, result.answers)
            return result
        held = _Held(result, asks, risen, self._feed.deadline(window), monotonic())
        if not self._fits:
            return self._told(held, None)
        self._held = held
        past = PastWindow(window.index, window.start, window.end, every=True, urgent=True)
        self._fetch(past, self._main.questions)
        return None

    def peek(self) -> WindowInput | None:
        if self.live and self._held is not None and monotonic() - self._held.since > LATEST:
            self.fail()
        return super().peek()

    def outlives(self, error: Exception) -> bool:
        # Others have made room already: where that was not enough, it never is.
        self._fits = self._fits and not isinstance(error, PoolExhaustedError)
        return super().outlives(error)

    def tell(self, plan: Plan, result: Result) -> Iterator[tuple[Feed, Result]]:
        """Takes what came of the window in full, and tells of the one that was held back."""
        self._spent += result.flops.spent
        self._release(result)
        return self.released()

    def released(self) -> Iterator[tuple[Feed, Result]]:
        """Yields the result that is held back no longer, once."""
        if self._released is not None:
            result, self._released = self._released, None
            yield self._feed, result

    def fail(self) -> None:
        """Tells of the result as it is."""
        self._let_go()
        self._release(None)
        self._bell.ring()

    def close(self) -> None:
        """Ends it. A result that is held back is not told."""
        self._let_go()
        self._held = None

    def _release(self, full: Result | None) -> None:
        held, self._held = self._held, None
        assert held is not None
        self._released = self._told(held, full)

    def _told(self, held: _Held, full: Result | None) -> Result:
        if full is not None and _differ(held, full):
            self._main.state.rebase_next = True
        told = _merged(held, full)
        self._levels.tell(held.asks, told.answers)
        return told


def _merged(held: _Held, full: Result | None) -> Result:
    """Returns what is told of a window, given what it is in full, if it could be run."""
    result, waited = held.result, monotonic() - held.since
    lag = None if result.lag is None else result.lag + waited
    rose = len(held.risen)
    if full is None:
        return replace(result, lag=lag, confirmation=Confirmation(rose, None, 0, waited))
    answers = list(result.answers)
    upheld = 0
    for number in held.risen:
        ask, score = held.asks[number], full.answers[number].score
        answers[number] = _scored(answers[number], score)
        upheld += _reached(ask, answers[number]) >= _reached(ask, result.answers[number])
    return replace(
        result,
        answers=tuple(answers),
        lag=lag,
        flops=replace(
            result.flops,
            spent=result.flops.spent + full.flops.spent,
            asking=result.flops.asking + full.flops.asking,
        ),
        seconds=result.seconds + full.seconds,
        confirmation=Confirmation(rose, upheld, full.tokens.full, waited),
    )


def _scored(answer: Answer, score: float) -> Answer:
    """Returns an answer with another score; a sentence that was written for a yes goes with it."""
    told = replace(answer, score=score)
    return told if told.decision == answer.decision else replace(told, text=None)


def _differ(held: _Held, full: Result) -> bool:
    pairs = ((held.result.answers[n].score, full.answers[n].score) for n in held.risen)
    return any(abs(cheap - whole) > DISAGREES for cheap, whole in pairs)


def _reached(ask: Ask, answer: Answer, score: float | None = None) -> int:
    """Returns how many levels a score reaches, the answer's or another; none if it is no number."""
    found = answer.score if score is None else score
    return sum(found >= level for level in {answer.threshold, *ask.levels})
