"""Windows of a stream that are run once more, without reuse, beside the stream itself."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from functools import partial

from costream.engine.bell import Bell
from costream.engine.feed import Feed
from costream.engine.ingest import PastWindow, WindowInput
from costream.engine.ingest_process import IngestProcess, IngestRecipe
from costream.engine.questions import Questions
from costream.engine.stream_state import StreamState
from costream.errors import SettingsError
from costream.video import DeferredSource, SampleSource

Recall = Callable[[PastWindow], WindowInput]
"""Returns a window of the past with all that is in it, unpruned; it may take seconds."""

DISAGREES = 0.2
"""Difference of a score from that of full recomputation beyond which the stream is refreshed."""

logger = logging.getLogger("costream")


class RecomputingFeed(Feed):
    """Runs windows of one stream once more, each as a stream of its own that reuses nothing.

    Their frames are decoded from the packets that the source keeps, in a thread of their own.

    Args:
        feed: the stream.
        recall: returns a window of the past.
        bell: rung when one is there.
    """

    def __init__(self, feed: Feed, recall: Recall, bell: Bell) -> None:
        super().__init__(feed.watch, iter(()))
        self._main = feed.watch
        self._recall = recall
        self._bell = bell
        self._recalled = deque[tuple[int, WindowInput | None]]()
        self._turn = 0  # of what is run: a window that comes later than its turn was given up
        self._asked: Questions | None = None
        self._spent = 0

    @property
    def live(self) -> bool:
        """Whether it is a live source's."""
        return self._main.info.live

    @property
    @abstractmethod
    def holds(self) -> bool:
        """Whether its stream waits for it."""

    @property
    def ended(self) -> bool:
        return False

    @property
    def spent(self) -> int:
        """Operations that it has taken."""
        return self._spent

    def peek(self) -> WindowInput | None:
        while self._recalled:
            turn, window = self._recalled.popleft()
            if turn != self._turn or self._asked is None:
                continue  # It was given up meanwhile.
            if window is None:
                self.fail()
            else:
                self._wait_with(window, self._asked)
        return self._waiting

    def pop(self) -> None:
        self._let_go()

    def outlives(self, error: Exception) -> bool:
        """Goes on without a window that can't be run."""
        self.fail()
        return True

    @abstractmethod
    def fail(self) -> None:
        """Goes on without what the window was to be run for: it can't be had, or has no room."""

    def _fetch(self, past: PastWindow, questions: Questions) -> None:
        """Has a window of the past decoded; it waits to be asked once it is there."""
        self._turn += 1
        self._asked = questions
        threading.Thread(
            target=self._read, args=(self._turn, past), name="costream-recall", daemon=True
        ).start()

    def _read(self, turn: int, past: PastWindow) -> None:
        window = None
        try:
            window = self._recall(past)
        except Exception as error:  # the window's alone
            logger.info("%s: a window can't be run in full: %s", self._main.info.source, error)
        self._recalled.append((turn, window))
        self._bell.ring()

    def _wait_with(
        self, window: WindowInput, questions: Questions, state: StreamState | None = None
    ) -> None:
        self.watch = self._main.recomputing(questions, state)
        self._waiting = window

    def _let_go(self) -> None:
        """Takes the window that waits away, and frees what it has of the pool."""
        self._waiting, self._asked = None, None
        if self.watch is not self._main:
            self.watch.close()
            self.watch = self._main


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
        f"no window of {stream.info.source} can be run in full as well, since it keeps no packets: "
        "open it as a DeferredSource with keep=audit_ring(settings)"
    )
