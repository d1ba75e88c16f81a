"""Windows of a stream that are run in full as well, and what that says of the cheap answers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from costream.audit import (
    AuditChoice,
    AuditedWindow,
    AuditReport,
    AuditTally,
    Cause,
    Checked,
    Importance,
    Judgement,
    cause_of,
)
from costream.audit.choice import NEAR
from costream.engine.bell import Bell
from costream.engine.cached_patch import CachedPatch
from costream.engine.feed import Feed
from costream.engine.ingest import OnAudit, PastWindow, ReadingCost, WindowInput
from costream.engine.plan import Plan
from costream.engine.questions import Questions
from costream.engine.recomputing import DISAGREES, Recall, RecomputingFeed
from costream.engine.result import Result
from costream.engine.stream_state import StreamState

OnChecked = Callable[[int, float, Mapping[Cause, float]], None]
"""Told of a window that was checked: its number, its weight among checked windows, and by cause the
share of its answers that differ. See :meth:`~costream.control.PointController.checked`."""

PENDING = 2
"""Windows of a stream that wait to be checked, at most. Of further ones it is said that they were
missed."""

PATIENCE = 16
"""Windows of a live stream after which one that waits to be checked is given up: there is no
room."""

_CHANGES = frozenset({"cut", "light", "damage"})
"""Why a frame is encoded whole where the picture changed as a whole."""


@dataclass(eq=False)
class _Case:
    """A window that is checked.

    Attributes:
        place: its place in the tally.
        index: its number.
        start: its first tick.
        end: the first tick behind it.
        questions: what was asked of it.
        cheap: what was answered.
        state: the window as it was pruned, to be computed without reuse.
        run: what it is run for now: the saving that is given up.
        answers: what was answered by now, by the saving that was given up last.
    """

    place: AuditedWindow
    index: int
    start: int
    end: int
    questions: Questions
    cheap: tuple[Judgement, ...]
    state: StreamState
    run: Cause = "decoding"
    answers: dict[Cause, tuple[Judgement, ...]] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Whether a decision differs from that of full recomputation."""
        pairs = zip(self.cheap, self.answers["decoding"], strict=True)
        return any(Checked(cheap, full).flipped for cheap, full in pairs)

    def checked(self) -> list[Checked]:
        """Returns each question's answers, and why they differ."""
        found = []
        for n, (cheap, full) in enumerate(zip(self.cheap, self.answers["decoding"], strict=True)):
            cause = cause_of(cheap, self._steps(n)) if Checked(cheap, full).flipped else None
            found.append(Checked(cheap, full, cause))
        return found

    def _steps(self, number: int) -> dict[Cause, Judgement]:
        """Returns a question's answers as savings are given up one after the other."""
        steps, merged = dict[Cause, Judgement](), False
        for given_up in _GIVEN_UP:
            if given_up not in self.answers:
                merged = True
                continue
            steps["unknown" if merged else given_up] = self.answers[given_up][number]
            merged = False
        return steps


_GIVEN_UP: tuple[Cause, ...] = ("reuse", "pruning", "decoding")
"""The savings in the order in which they are given up. Without the last of them, all is."""


class AuditFeed(RecomputingFeed):
    """Has windows of one stream run in full as well, when there is room.

    A window is drawn once it is answered, and before anything else of it is known. All of its
    frames are decoded and run without pruning or reuse. Where a decision differs, the window is run
    again with fewer savings given up: as it was pruned, without reuse; then with all that was
    decoded, unpruned.

    Where a score differs by more than :data:`DISAGREES`, keys and values of the stream are computed
    anew with its next window.

    The window of a live stream is run when no other is due, and never makes room for itself in the
    pool. A file waits until its window is checked.

    Args:
        feed: the stream.
        share: see :class:`~costream.audit.AuditChoice`.
        seed: of the draws.
        recall: returns a window of the past.
        bell: rung when one is there.
        on_audit: told what it comes to.

    Attributes:
        on_checked: told of every window that was checked.
    """

    makes_room = False

    def __init__(
        self,
        feed: Feed,
        share: float,
        seed: int,
        recall: Recall,
        bell: Bell,
        on_audit: OnAudit | None,
    ) -> None:
        super().__init__(feed, recall, bell)
        self._choice = AuditChoice(share, [seed, crc32(feed.watch.info.source.encode())])
        self._tally = AuditTally(share, self._choice.floor)
        self._on_audit = on_audit
        self._cases = deque[_Case]()
        self._full = 0
        self.on_checked: OnChecked | None = None
        feed.watch.observers.append(self._consider)

    @property
    def holds(self) -> bool:
        return bool(self._cases) and not self.live

    def report(self) -> AuditReport:
        """Returns what it came to so far."""
        cost = self._spent / self._full if self._full else 0.0
        return self._tally.report(cost)

    def tell(self, plan: Plan, result: Result) -> Iterator[tuple[Feed, Result]]:
        """Takes what came of the window that was run, of which nobody else is told."""
        case = self._cases[0]
        self._spent += result.flops.spent
        case.answers[case.run] = _judged(result)
        self._go_on(case)
        return iter(())

    def fail(self) -> None:
        self._let_go()
        self._go_on(self._cases[0])
        self._bell.ring()  # A file that waited for it goes on.

    def close(self) -> None:
        """Ends it. A window that waits is not counted, nor are those behind it."""
        self._main.observers.remove(self._consider)
        self._let_go()
        self._cases.clear()
        self._tell()

    def _consider(self, plan: Plan, result: Result) -> None:
        """Draws whether a window is checked that was just answered."""
        self._full += result.flops.full
        cheap = _judged(result)
        near = any(abs(one.score - one.threshold) <= NEAR for one in result.answers)
        changed = any(map(_has_changed, plan.state.patches))
        probability = self._choice.probability(Importance(near, changed))
        chosen = self._choice.draw(probability)
        place = self._tally.add([one.key for one in cheap], probability, chosen=chosen)
        if self._cases and result.index - self._cases[0].index > PATIENCE and self.live:
            self._let_go()
            self._finish(self._cases[0])
        if not chosen:
            return
        if len(self._cases) >= PENDING:
            self._tally.settle(place, None)
            return
        window, main = plan.window, self._main
        case = _Case(
            place, window.index, window.start, window.end, main.questions, cheap, main.state.copy()
        )
        self._cases.append(case)
        if len(self._cases) == 1:
            self._run(case, "decoding")

    def _run(self, case: _Case, given_up: Cause) -> None:
        case.run = given_up
        if given_up == "reuse":
            nothing_new = WindowInput(
                case.index, case.start, case.end, (), None, ReadingCost(), 0.0
            )
            self._wait_with(nothing_new, case.questions, case.state)
            return
        past = PastWindow(case.index, case.start, case.end, every=given_up == "decoding")
        self._fetch(past, case.questions)

    def _go_on(self, case: _Case) -> None:
        """Runs a window for the next saving, where there is one to ask about; else counts it."""
        if case.run == "decoding":
            if "decoding" in case.answers and case.differs:
                self._run(case, "reuse")
                return
        elif case.run == "reuse":
            self._run(case, "pruning")
            return
        self._finish(case)

    def _finish(self, case: _Case) -> None:
        self._cases.popleft()
        checked = case.checked() if "decoding" in case.answers else None
        self._tally.settle(case.place, checked)
        if any(answer.difference > DISAGREES for answer in checked or ()):
            self._main.state.rebase_next = True
        self._tell()
        if checked and self.on_checked is not None:
            weight = self._choice.floor / case.place.probability
            self.on_checked(case.index, weight, _flips(checked))
        if self._cases:
            self._run(self._cases[0], "decoding")

    def _tell(self) -> None:
        if self._on_audit is not None:
            self._on_audit(self.report())


def _judged(result: Result) -> tuple[Judgement, ...]:
    return tuple(
        Judgement(answer.ask, answer.zone, answer.score, answer.decision)
        for answer in result.answers
    )


def _flips(checked: Sequence[Checked]) -> dict[Cause, float]:
    """Returns the share of the answers that differ, by cause."""
    causes = Counter(answer.cause or "unknown" for answer in checked if answer.flipped)
    return {cause: number / len(checked) for cause, number in causes.items()}


def _has_changed(patch: CachedPatch) -> bool:
    """Whether the picture changed as a whole in a temporal patch."""
    return patch.keep.scene is not None or patch.keep.anchor in _CHANGES
