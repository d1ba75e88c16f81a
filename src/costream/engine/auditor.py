"""Windows of a stream that are run in full as well, and what that says of the cheap answers."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
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
from costream.engine.ingest_process import IngestProcess, IngestRecipe
from costream.engine.plan import Plan
from costream.engine.questions import Questions
from costream.engine.result import Result
from costream.engine.stream_state import StreamState
from costream.errors import SettingsError
from costream.video import DeferredSource, SampleSource

OnChecked = Callable[[int, float, Mapping[Cause, float]], None]
"""Told of a window that was checked: its number, its weight among checked windows, and by cause the
share of its answers that differ. See :meth:`~costream.control.PointController.checked`."""

Recall = Callable[[PastWindow], WindowInput]
"""Returns a window of the past with all that is in it, unpruned; it may take seconds."""

PENDING = 2
"""Windows of a stream that wait to be checked, at most. Of further ones it is said that they were
missed."""

PATIENCE = 16
"""Windows of a live stream after which one that waits to be checked is given up: there is no
room."""

DISAGREES = 0.2
"""Difference of a score from that of full recomputation beyond which the stream is refreshed."""

_CHANGES = frozenset({"cut", "light", "damage"})
"""Why a frame is encoded whole where the picture changed as a whole."""

logger = logging.getLogger("costream")


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


class AuditFeed(Feed):
    """Has windows of one stream run in full, each as a stream of its own, when there is room.

    A window is drawn once it is answered, and before anything else of it is known. Its frames are
    decoded from the packets that its source keeps, all of them, in a thread of their own, and run
    without pruning or reuse. Where a decision differs, the window is run again with fewer savings
    given up: as it was pruned, without reuse; then with all that was decoded, unpruned.

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
        super().__init__(feed.watch, iter(()))
        self._main = feed.watch
        self._choice = AuditChoice(share, [seed, crc32(feed.watch.info.source.encode())])
        self._tally = AuditTally(share, self._choice.floor)
        self._recall = recall
        self._bell = bell
        self._on_audit = on_audit
        self._cases = deque[_Case]()
        self._recalled = deque[tuple[_Case, Cause, WindowInput | None]]()
        self._spent = self._full = 0
        self.on_checked: OnChecked | None = None
        feed.watch.observers.append(self._consider)

    @property
    def live(self) -> bool:
        """Whether it is a live source's."""
        return self._main.info.live

    @property
    def holds(self) -> bool:
        """Whether its stream waits for it."""
        return bool(self._cases) and not self.live

    @property
    def ended(self) -> bool:
        return False

    @property
    def spent(self) -> int:
        """Operations that checks have taken."""
        return self._spent

    def report(self) -> AuditReport:
        """Returns what it came to so far."""
        cost = self._spent / self._full if self._full else 0.0
        return self._tally.report(cost)

    def peek(self) -> WindowInput | None:
        while self._recalled:
            case, run, window = self._recalled.popleft()
            if not self._cases or case is not self._cases[0] or case.run != run:
                continue  # It was given up meanwhile.
            if window is None:
                self.fail()
            else:
                self._wait_with(window, case)
        return self._waiting

    def pop(self) -> None:
        self._let_go()

    def take(self, result: Result) -> bool:
        """Takes what came of the window that was run, of which nobody else is told."""
        case = self._cases[0]
        self._spent += result.flops.spent
        case.answers[case.run] = _judged(result)
        self._go_on(case)
        return False

    def outlives(self, error: Exception) -> bool:
        """Goes on without a window that can't be run: it counts as missed."""
        self.fail()
        return True

    def fail(self) -> None:
        """Goes on without what the window was to be run for: it can't be had, or has no room."""
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
            self._wait_with(nothing_new, case)
            return
        past = PastWindow(case.index, case.start, case.end, every=given_up == "decoding")
        threading.Thread(
            target=self._fetch, args=(case, given_up, past), name="costream-audit", daemon=True
        ).start()

    def _fetch(self, case: _Case, run: Cause, past: PastWindow) -> None:
        window = None
        try:
            window = self._recall(past)
        except Exception as error:  # the window's alone: it counts as missed
            logger.info("%s: a window can't be checked: %s", self._main.info.source, error)
        self._recalled.append((case, run, window))
        self._bell.ring()

    def _wait_with(self, window: WindowInput, case: _Case) -> None:
        state = case.state if case.run == "reuse" else None
        self.watch = self._main.recomputing(case.questions, state)
        self._waiting = window

    def _let_go(self) -> None:
        """Takes the window that waits away, and frees what it has of the pool."""
        self._waiting = None
        if self.watch is not self._main:
            self.watch.close()
            self.watch = self._main

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


def recalling(stream: SampleSource | IngestProcess, recipe: IngestRecipe) -> Recall:
    """Returns what gives the past windows of a stream.

    Args:
        stream: the stream.
        recipe: what is done with its windows; its pruner keeps all.

    Raises:
        SettingsError: the stream keeps no packets.
    """
    if isinstance(stream, IngestProcess):
        return partial(stream.recall, recipe)
    if isinstance(stream, DeferredSource) and stream.keeps:
        return partial(recipe.recall, stream)
    raise SettingsError(
        f"{stream.info.source} can't be audited, since it keeps no packets: open it as a "
        "DeferredSource with keep=audit_ring(settings)"
    )


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
