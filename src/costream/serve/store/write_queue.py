"""Writes that a thread makes in order, and again until the database takes them."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    SQLAlchemyError,
)

from costream.serve.store.database import reason, writing

logger = logging.getLogger("costream")

LIMIT = 10_000
"""Writes that wait at most; beyond it the oldest go, and are counted."""

_BATCH = 100
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0

# What is wrong with the write itself: no other moment would make it right.
_NEVER_TAKEN = (DataError, IntegrityError, NotSupportedError, ProgrammingError)

Work = Callable[[Connection], None]
"""One write. It may be run again after it took effect, and must then change nothing."""


@dataclass(frozen=True, slots=True)
class _Write:
    number: int
    work: Work
    then: Callable[[], None] | None


class WriteQueue:
    """Makes writes in a thread of its own; who asks for one never waits for the database.

    Attributes:
        lost: writes that were dropped, because too many waited or the database never takes them.
        problem: what the database said when it last took nothing; None while it takes all.
    """

    def __init__(self, engine: Engine, limit: int = LIMIT) -> None:
        self.lost = 0
        self.problem: str | None = None
        self._engine = engine
        self._limit = limit
        self._writes: dict[Hashable, _Write] = {}
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="costream-store", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._writes)

    def add(
        self, work: Work, *, key: Hashable = None, then: Callable[[], None] | None = None
    ) -> None:
        """Asks for a write.

        Args:
            work: makes it.
            key: it replaces a write of the same key that was not made yet.
            then: is called once it was made.
        """
        with self._changed:
            number = next(self._numbers)
            key = number if key is None else key
            self._writes.pop(key, None)
            self._writes[key] = _Write(number, work, then)
            if len(self._writes) > self._limit:
                self._writes.pop(next(iter(self._writes)))
                self.lost += 1
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Waits for the writes that were asked for by now; returns whether they were made.

        It waits no longer than ``timeout`` seconds, and not at all while the database takes none.
        """
        with self._changed:
            newest = max((write.number for write in self._writes.values()), default=-1)
            self._changed.wait_for(lambda: self.problem or self._oldest() > newest, timeout)
            return self._oldest() > newest

    def close(self, timeout: float) -> None:
        """Makes what waits, if the database takes it, and ends the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        if self._writes:
            logger.error("%d writes of events are lost: %s", len(self._writes), self.problem)

    def _oldest(self) -> float:
        return next((write.number for write in self._writes.values()), float("inf"))

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while batch := self._next():
            if self._make(batch):
                pause = _FIRST_PAUSE
            elif self._closing:
                return
            else:
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _next(self) -> list[tuple[Hashable, _Write]]:
        """Waits for writes; returns none once the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._writes or self._closing)
            return list(itertools.islice(self._writes.items(), _BATCH))

    def _make(self, batch: list[tuple[Hashable, _Write]]) -> bool:
        """Makes writes in one transaction; returns whether to go on with the next ones."""
        try:
            with self._engine.connect() as connection, writing(connection).begin():
                for _, write in batch:
                    write.work(connection)
        except Exception as error:  # a write that is wrong must not end the thread
            if isinstance(error, SQLAlchemyError) and not isinstance(error, _NEVER_TAKEN):
                self._fail(reason(error))
                return False
            if len(batch) > 1:
                return all(self._make([item]) for item in batch)
            self.lost += 1
            logger.error("the store never takes a write and drops it", exc_info=error)
        self._done(batch)
        return True

    def _fail(self, problem: str) -> None:
        with self._changed:
            if self.problem is None:
                logger.warning("the store takes no events at the moment: %s", problem)
            self.problem = problem
            self._changed.notify_all()

    def _done(self, batch: list[tuple[Hashable, _Write]]) -> None:
        with self._changed:
            for key, write in batch:
                if self._writes.get(key) is write:
                    del self._writes[key]
            if self.problem is not None:
                logger.warning("the store takes events again")
            self.problem = None
            self._changed.notify_all()
        for _, write in batch:
            if write.then is not None:
                try:
                    write.then()
                except Exception as error:  # the write was made, and others wait
                    logger.error("nobody could be told of a write", exc_info=error)
