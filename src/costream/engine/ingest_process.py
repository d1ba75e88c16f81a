"""A camera that is read, decoded and pruned in a process of its own, which loads no model.

It hands over what :class:`~costream.engine.ingest.Ingest` makes: ticks, masks and kept patches as
bytes, some hundred kilobytes a window. The process has neither torch nor weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from costream.engine.child import Child, End, Send
from costream.engine.ingest import Ingest, Reports, WindowInput
from costream.engine.schedule import Schedule
from costream.errors import SourceError
from costream.preprocessing import Preprocessing
from costream.pruning import PRUNERS, PrunerSettings
from costream.video import DeferredSource, StreamInfo


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


class IngestProcess:
    """A stream that another process reads.

    Args:
        source: the source, not opened yet: the process opens and closes it.
        recipe: what it does with it.
    """

    def __init__(self, source: DeferredSource, recipe: IngestRecipe) -> None:
        self._child = Child(_ingest, (source, recipe), "a process that reads a camera")
        self._info: StreamInfo | None = None

    @property
    def info(self) -> StreamInfo:
        """What is known of the stream; waits until the process has opened it.

        Raises:
            CoStreamError: it can't be opened.
        """
        if self._info is None:
            message = self._child.receive()
            if isinstance(message, End):
                raise message.error or SourceError("a stream ended before it began")
            self._info = message
        return self._info

    def windows(self, reports: Reports) -> Iterator[WindowInput]:
        """Yields the windows of the stream until it ends. Of frames there are no reports.

        Raises:
            CoStreamError: it can't be read any further, or the process died.
        """
        while not isinstance(message := self._child.receive(), End):
            if isinstance(message, WindowInput):
                yield message
            elif reports.on_gap is not None:
                reports.on_gap(message)
        if message.error is not None:
            raise message.error

    def close(self) -> None:
        """Ends the process."""
        self._child.close()


def _ingest(send: Send, source: DeferredSource, recipe: IngestRecipe) -> None:
    """The body of the process."""
    with closing(source):
        ingest = recipe.ingest(source)
        send(source.info)
        for window in ingest.windows(Reports(on_gap=send)):
            send(window)
