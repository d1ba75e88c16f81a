"""What is known of a stream's windows: which were checked, and what came of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from costream.audit.report import CAUSES, AuditReport, Cause, QuestionAudit
from costream.audit.sequence import LEVEL, ConfidenceSequence

Key = tuple[str, str | None]
"""A question: its text, and its zone."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a question's cheap answer was, or its full one.

    Attributes:
        ask: the question.
        zone: its zone, or None.
        score: 0..1, or not a number.
        decision: yes or no, or None where the score is not a number.
    """

    ask: str
    zone: str | None
    score: float
    decision: str | None

    @property
    def key(self) -> Key:
        """Tells questions apart."""
        return self.ask, self.zone


@dataclass(frozen=True, slots=True)
class Checked:
    """A question's answers of a checked window, and what made them differ.

    Attributes:
        cheap: the answer that was given.
        full: that of full recomputation.
        cause: why they differ, where they do.
    """

    cheap: Judgement
    full: Judgement
    cause: Cause | None = None

    @property
    def flipped(self) -> bool:
        """Whether the decisions differ."""
        return self.cheap.decision != self.full.decision

    @property
    def difference(self) -> float:
        """Absolute difference of the scores; 1 where one of them alone is a number."""
        unknown = isnan(self.cheap.score), isnan(self.full.score)
        return float(unknown[0] != unknown[1]) if any(unknown) else self._difference

    @property
    def _difference(self) -> float:
        return abs(self.cheap.score - self.full.score)


class _Question:
    """What is known of one question."""

    def __init__(self, floor: float, level: float) -> None:
        self.flips = ConfidenceSequence(floor, level)
        self.differences = ConfidenceSequence(floor, level)
        self.causes: dict[Cause, int] = dict.fromkeys(CAUSES, 0)

    def skip(self) -> None:
        self.flips.skip()
        self.differences.skip()

    def add(self, probability: float, checked: Checked | None) -> None:
        nan = float("nan")
        flipped, difference = nan, nan
        if checked is not None:
            flipped, difference = float(checked.flipped), checked.difference
            if checked.flipped:
                self.causes[checked.cause or "unknown"] += 1
        self.flips.add(probability, True, flipped)
        self.differences.add(probability, True, difference)

    def report(self, key: Key) -> QuestionAudit:
        return QuestionAudit(
            *key,
            windows=self.flips.windows,
            checked=int(self.flips.checked),
            missed=int(self.flips.missed),
            flips=int(self.flips.seen),
            share=float(self.flips.mean()),
            bounds=self.flips.interval(),
            difference=float(self.differences.mean()),
            difference_bounds=self.differences.interval(),
            causes={cause: number for cause, number in self.causes.items() if number},
        )


@dataclass(slots=True, eq=False)
class AuditedWindow:
    """A window's place in a tally.

    Attributes:
        keys: the questions that were asked of it.
        probability: with which it was chosen.
        chosen: whether it is to be checked.
        answers: what came of that, once it was; None where it could not be.
        settled: whether it is known what came of it.
    """

    keys: Sequence[Key]
    probability: float
    chosen: bool
    answers: Sequence[Checked] | None = None
    settled: bool = False


class AuditTally:
    """Counts the windows of a stream in their order: unchecked, checked, or missed.

    A window that is being checked is counted once that is done, and so are those behind it: were
    they counted before, what is counted would hang on what was drawn. What is reported holds of
    the windows that were counted.

    Args:
        target: share of compute that audits may take.
        floor: least probability with which a window is checked.
        level: see :class:`~costream.audit.sequence.ConfidenceSequence`.
    """

    def __init__(self, target: float, floor: float, level: float = LEVEL) -> None:
        self.target = target
        self._floor, self._level = floor, level
        self._answers = ConfidenceSequence(floor, level)
        self._questions: dict[Key, _Question] = {}
        self._waiting = deque[AuditedWindow]()

    def add(self, keys: Sequence[Key], probability: float, *, chosen: bool) -> AuditedWindow:
        """Takes the next window, of which some questions were asked."""
        window = AuditedWindow(keys, probability, chosen, settled=not chosen)
        self._waiting.append(window)
        self._count()
        return window

    def settle(self, window: AuditedWindow, answers: Sequence[Checked] | None) -> None:
        """Says what came of a window that was chosen: None where it could not be checked."""
        window.answers, window.settled = answers, True
        self._count()

    def _count(self) -> None:
        while self._waiting and self._waiting[0].settled:
            window = self._waiting.popleft()
            if not window.chosen:
                self._answers.skip()
                for key in window.keys:
                    self._question(key).skip()
                continue
            answers = {answer.cheap.key: answer for answer in window.answers or ()}
            flipped = sum(answer.flipped for answer in answers.values())
            share = flipped / len(answers) if answers else float("nan")
            self._answers.add(window.probability, True, share)
            for key in window.keys:
                self._question(key).add(window.probability, answers.get(key))

    def report(self, cost: float = 0.0) -> AuditReport:
        """Returns what it comes to so far.

        Args:
            cost: see :class:`~costream.audit.report.AuditReport`.
        """
        return AuditReport(
            target=self.target,
            windows=self._answers.windows,
            checked=int(self._answers.checked),
            missed=int(self._answers.missed),
            share=float(self._answers.mean()),
            bounds=self._answers.interval(),
            cost=cost,
            questions=tuple(one.report(key) for key, one in self._questions.items()),
        )

    def _question(self, key: Key) -> _Question:
        if key not in self._questions:
            self._questions[key] = _Question(self._floor, self._level)
        return self._questions[key]


def cause_of(cheap: Judgement, steps: Mapping[Cause, Judgement]) -> Cause:
    """Returns what made an answer differ from the full one.

    Args:
        cheap: the answer that was given.
        steps: the answers that are had when savings are given up one after the other, in order,
            each named by what was given up with it; the last one is the full answer. Where a
            saving's own answer could not be had, it is given up together with the next one, and
            their names are one, ``unknown``.

    Returns:
        The saving with which the decision changes; where it changes back and forth, the one that
        moves the score most.
    """
    found: Cause = "unknown"
    before, moved = cheap, -1.0
    for name, after in steps.items():
        step = Checked(before, after)
        if step.flipped and step.difference > moved:
            found, moved = name, step.difference
        before = after
    return found
