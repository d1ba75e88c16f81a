"""A camera that is read, decoded and pruned in a process of its own, which loads no model.

It hands over what :class:`~costream.engine.ingest.Ingest` makes: ticks, masks and kept patches as
bytes, some hundred kilobytes a window. The process has neither torch nor weights.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from queue import Empty
from typing import Any

from costream.engine.ingest import Ingest, Reports, WindowInput
from costream.engine.schedule import Schedule
from costream.errors import CoStreamError, SourceError
from costream.preprocessing import Preprocessing
from costream.pruning import PRUNERS, PrunerSettings
from costream.video import DeferredSource, Gap, StreamInfo

WAITING = 2
"""Windows that wait for the engine. What comes from a camera meanwhile is bounded by its own queue,
which skips the oldest frames; a file is not read any further."""

_LOOK_EVERY = 0.5
"""Seconds after which it is looked whether a silent process still lives."""


@dataclass(frozen=True, slots=True)
class IngestRecipe:
    """All that a process needs to prune a stream and cut its patches. It can be pickled.

    Attributes:
        preprocessing: the model's.
        schedule: window and stride.
        frame_size: (width, height) of frames, or None for what the preprocessing says.
        pruner: name of the rule.
        pruner_settings: its settings.
    """

    preprocessing: Preprocessing
    schedule: Schedule
    frame_size: tuple[int, int] | None
    pruner: str
    pruner_settings: PrunerSettings

    def ingest(self, source: DeferredSource) -> Ingest:
        """Returns the ingest of a source; opens it first."""
        info = source.info
        geometry = self.preprocessing.geometry(
            info.width, info.height, self.schedule.window, self.frame_size
        )
        pruner = PRUNERS[self.pruner](geometry.grid, self.pruner_settings)
        return Ingest(source, pruner, self.preprocessing, geometry, self.schedule)


@dataclass(frozen=True, slots=True)
class _End:
    """The last message of a process: the error that ended the stream, or None."""

    error: CoStreamError | None


class IngestProcess:
    """A stream that another process reads.

    Args:
        source: the source, not opened yet: the process opens and closes it.
        recipe: what it does with it.
    """

    def __init__(self, source: DeferredSource, recipe: IngestRecipe) -> None:
        context = multiprocessing.get_context("spawn")
        self._messages: Any = context.Queue(maxsize=WAITING)
        self._info: StreamInfo | None = None
        self._process = context.Process(
            target=_ingest, args=(source, recipe, self._messages), daemon=True
        )
        self._process.start()

    @property
    def info(self) -> StreamInfo:
        """What is known of the stream; waits until the process has opened it.

        Raises:
            CoStreamError: it can't be opened.
        """
        if self._info is None:
            message = self._next()
            if isinstance(message, _End):
                raise message.error or SourceError("a stream ended before it began")
            self._info = message
        return self._info

    def windows(self, reports: Reports) -> Iterator[WindowInput]:
        """Yields the windows of the stream until it ends.

        Raises:
            CoStreamError: it can't be read any further, or the process died.
        """
        while not isinstance(message := self._next(), _End):
            if isinstance(message, WindowInput):
                yield message
            elif reports.on_gap is not None:
                reports.on_gap(message)
        if message.error is not None:
            raise message.error

    def close(self) -> None:
        """Ends the process."""
        self._process.terminate()
        self._process.join()

    def _next(self) -> Any:
        while True:
            try:
                return self._messages.get(timeout=_LOOK_EVERY)
            except Empty:
                status = self._process.exitcode
            # What it sent last may still be on its way when it has ended.
            if status is not None and self._messages.empty():
                return _End(SourceError(f"a process that reads a camera ended with {status}"))


def _ingest(source: DeferredSource, recipe: IngestRecipe, messages: Any) -> None:
    """The body of the process."""
    # The parent is told of an interrupt as well, and ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def tell(gap: Gap) -> None:
        messages.put(gap)

    error: CoStreamError | None = None
    try:
        with closing(source):
            ingest = recipe.ingest(source)
            messages.put(source.info)
            for window in ingest.windows(Reports(on_gap=tell)):
                messages.put(window)
    except CoStreamError as caught:
        error = caught
    messages.put(_End(error))
    messages.close()
    messages.join_thread()
