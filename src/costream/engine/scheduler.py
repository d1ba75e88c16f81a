"""The scheduler: which windows are run together, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from costream.engine.batch import Batch
from costream.engine.feed import Feed
from costream.engine.ingest import WindowInput
from costream.engine.plan import Plan
from costream.engine.recomputing import RecomputingFeed
from costream.engine.result import Result
from costream.engine.runner import Output
from costream.errors import PoolExhaustedError
from costream.models import VisualTokens


class Scheduler:
    """Takes windows that are due and plans them, the earliest deadline first.

    No camera starves: a window's deadline stays where it is while it waits, and later ones of other
    cameras come behind it. Of a file that is slower than real time, a window is due a stride after
    it was read. A camera has one window in a batch.

    Args:
        budget: tokens of a batch, after which no further window is taken.
        host_bytes: host memory for keys and values of streams that were moved out of the pool to
            make room for others. Beyond it they are dropped, and recomputed when they are back.
        has_room: says whether a further result of a stream is wanted; else its windows wait.

    Attributes:
        feeds: the streams that are watched.
        left: the streams that are watched no longer, in order, each with what ended it as it was
            raised, or None. Whoever deals with them empties it.
        swaps: how often a stream was moved out of the pool.
    """

    def __init__(
        self, budget: int, host_bytes: int, has_room: Callable[[Feed], bool] = lambda feed: True
    ) -> None:
        self.feeds: list[Feed] = []
        self.left: list[tuple[Feed, Exception | None]] = []
        self.swaps = 0
        self._budget = budget
        self._host_bytes = host_bytes
        self._has_room = has_room
        self._taken: list[tuple[Feed, Plan]] = []

    def add(self, feed: Feed) -> None:
        """Begins to take a stream's windows."""
        self.feeds.append(feed)

    def remove(self, feed: Feed, error: Exception | None = None) -> None:
        """Takes no further windows of a stream: it has ended, by an error if there is one."""
        self.feeds.remove(feed)
        feed.close()
        feed.watch.close()
        for other in feed.recomputing:
            other.close()
        self.left.append((feed, error))

    def take(self) -> Batch | None:
        """Returns the windows to run now, or None where none is due. Streams that ended go.

        Where none is due, a window that is to be checked is run, if there is one.
        """
        due = sorted(self._due(), key=lambda pair: pair[1].deadline(pair[0]))
        return self._plan(due or list(self._unhurried())[:1])

    def commit(self, outputs: Sequence[Output]) -> Iterator[tuple[Feed, Result]]:
        """Moves the streams of the last batch on and yields each with what came of it.

        What was held back until it is confirmed, and could not be, is yielded as well.
        """
        for output in outputs:
            feed, plan = self._taken.pop(0)
            result = feed.watch.commit(plan, output)
            feed.pop()
            yield from feed.tell(plan, result)
        for feed in list(self.feeds):
            if feed.confirmation is not None:
                yield from feed.confirmation.released()

    def close(self) -> None:
        """Ends all streams, those of a batch that was not committed as well."""
        for feed, plan in self._taken:
            feed.watch.state.abandon(plan)
        self._taken = []
        for feed in list(self.feeds):
            self.remove(feed)

    def _due(self) -> Iterator[tuple[WindowInput, Feed]]:
        wanted = [feed for feed in self.feeds if self._has_room(feed)]
        for feed in sorted(wanted, key=lambda feed: not feed.live):
            held = next((other for other in feed.recomputing if other.holds), None)
            if held is not None:
                # It goes on once its window was confirmed or, for nobody waits for a file, checked.
                yield from _waiting(held)
                continue
            try:
                window = feed.peek()
            except Exception as error:  # this stream's alone
                self.remove(feed, error)
                continue
            if window is not None:
                yield window, feed
            elif feed.ended:
                self.remove(feed)

    def _unhurried(self) -> Iterator[tuple[WindowInput, Feed]]:
        """Yields the windows of live streams that are to be checked."""
        for feed in self.feeds:
            if feed.audit is not None and feed.audit.live:
                yield from _waiting(feed.audit)

    def _plan(self, due: Sequence[tuple[WindowInput, Feed]]) -> Batch | None:
        """Plans windows in order, as many as budget and pool have room for."""
        plans, encoded, tokens = list[Plan](), list[list[VisualTokens] | None](), 0
        for window, feed in due:
            if plans and tokens >= self._budget:
                break
            try:
                looked, features = feed.watch.look(window)
                plan = self._planned(feed, looked)
            except Exception as error:  # this stream's alone
                if not feed.outlives(error):
                    self.remove(feed, error)
                continue
            if plan is None:
                # What is planned already goes first: it may free what this window takes.
                break
            plans.append(plan)
            encoded.append(features)
            self._taken.append((feed, plan))
            tokens += plan.tokens
        return Batch(plans, encoded) if plans else None

    def _planned(self, feed: Feed, window: WindowInput) -> Plan | None:
        """Plans a window, with room made where there is none; None where it has to wait for some.

        Raises:
            PoolExhaustedError: there is no room for it, though nothing else is in the pool.
        """
        while True:
            try:
                return feed.watch.plan(window)
            except PoolExhaustedError as error:
                if feed.makes_room and self._make_room(feed):
                    continue
                if self._taken:
                    return None
                raise PoolExhaustedError(f"{feed.watch.info.source}: {error}") from error

    def _make_room(self, feed: Feed) -> bool:
        """Frees what no further window refers to; else moves a whole stream out of the pool.

        That is the one that is due last, or that nobody waits for.

        Returns:
            Whether there was anything.
        """
        busy = [feed, *(taken for taken, _ in self._taken)]
        others = [f for f in self.feeds if f not in busy and f.watch.resident]
        if any(other.watch.state.free_retired() for other in others):
            return True
        if not others:
            return False
        last = max(others, key=lambda other: (not self._has_room(other), other.next_deadline))
        saved = sum(f.watch.state.saved.bytes for f in self.feeds if f.watch.state.saved)
        last.watch.state.swap_out(keys=saved < self._host_bytes)
        self.swaps += 1
        return True


def _waiting(other: RecomputingFeed) -> Iterator[tuple[WindowInput, Feed]]:
    """Yields the window that is to be run once more, if it is there."""
    window = other.peek()
    if window is not None:
        yield window, other
