"""The scheduler: which windows are run together, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from costream.engine.batch import Batch
from costream.engine.bell import Bell
from costream.engine.feed import Feed
from costream.engine.ingest import WindowInput
from costream.engine.plan import Plan
from costream.engine.runner import Output
from costream.engine.verdict import Verdict
from costream.errors import CoStreamError, PoolExhaustedError
from costream.models import VisualTokens

OnEnd = Callable[[Feed, CoStreamError | None], None]
"""Told of a stream that has ended, and of the error that ended it."""


class Scheduler:
    """Takes windows that are due and plans them, the earliest deadline first.

    No camera starves: a window's deadline stays where it is while it waits, and later ones of other
    cameras come behind it. A camera has one window in a batch.

    Args:
        budget: tokens of a batch, after which no further window is taken.
        on_end: told of every stream that has ended.
        bell: rung by feeds that are read by other threads.
    """

    def __init__(self, budget: int, on_end: OnEnd, bell: Bell) -> None:
        self._budget = budget
        self._on_end = on_end
        self._bell = bell
        self._feeds: list[Feed] = []
        self._taken: list[Feed] = []

    def add(self, feed: Feed) -> None:
        """Begins to take a feed's windows."""
        self._feeds.append(feed)

    def remove(self, feed: Feed) -> None:
        """Takes no further windows of a feed."""
        self._feeds.remove(feed)
        feed.close()
        feed.watch.close()

    def take(self) -> Batch | None:
        """Waits until a window is due; returns those to run now, or None when all have ended."""
        while self._feeds:
            rings = self._bell.rings
            due = sorted(self._due(), key=lambda pair: pair[1].deadline(pair[0]))
            if due:
                return self._plan(due)
            if self._feeds:
                self._bell.wait(rings)
        return None

    def commit(self, batch: Batch, outputs: Sequence[Output]) -> list[Verdict]:
        """Moves the streams of a batch on and returns what came of each."""
        found = []
        for feed, plan, output in zip(self._taken, batch.plans, outputs, strict=True):
            found.append(feed.watch.commit(plan, output))
            feed.pop()
        self._taken = []
        return found

    def close(self) -> None:
        """Ends all streams."""
        for feed in list(self._feeds):
            self.remove(feed)

    def _due(self) -> Iterator[tuple[WindowInput, Feed]]:
        for feed in list(self._feeds):
            try:
                window = feed.peek()
            except CoStreamError as error:
                self._finish(feed, error)
                continue
            if window is not None:
                yield window, feed
            elif feed.ended:
                self._finish(feed, None)

    def _finish(self, feed: Feed, error: CoStreamError | None) -> None:
        self.remove(feed)
        self._on_end(feed, error)

    def _plan(self, due: Sequence[tuple[WindowInput, Feed]]) -> Batch:
        plans, encoded, tokens = list[Plan](), list[list[VisualTokens] | None](), 0
        for window, feed in due:
            if plans and tokens >= self._budget:
                break
            try:
                looked, features = feed.watch.look(window)
                plan = feed.watch.plan(looked)
            except PoolExhaustedError:
                if not plans:
                    raise
                break
            plans.append(plan)
            encoded.append(features)
            self._taken.append(feed)
            tokens += plan.tokens
        return Batch(plans, encoded)
