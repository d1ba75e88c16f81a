"""Events on a node: made there, while their files are kept elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from costream.serve.cluster.courier import Courier
from costream.serve.config.watched import WatchedCamera, WatchedQuestion
from costream.serve.events.event import EventMessage, ScoredWindow
from costream.serve.events.tracker import Tracker
from costream.serve.store.record import Media

STILL = 6.0
"""Seconds for which the report of an event waits for the front end to have its still."""


class NodeBook:
    """What a node's reporter makes events by.

    Args:
        tracker: makes them.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self.courier = Courier(self._on_stored)

    def observe(
        self, camera: WatchedCamera, question: WatchedQuestion, window: ScoredWindow
    ) -> Sequence[EventMessage]:
        """Takes what a window said to a question: see :meth:`Tracker.observe`."""
        return self._tracker.observe(camera, question, window)

    def lost(self, camera_id: str, at: float) -> Sequence[EventMessage]:
        """Takes note that a camera was lost: see :meth:`Tracker.lost`."""
        return self._tracker.lost(camera_id, at)

    def announce(self, event_id: str) -> None:
        """Has sinks told of an event that began."""
        self._tracker.announce(event_id)

    def attach(
        self,
        event_id: str,
        *,
        sentence: str | None = None,
        still: Path | None = None,
        clip: Path | None = None,
    ) -> None:
        """Adds to an event what was made of it; files count once the front end has them."""
        if clip is not None:
            self.courier.send("clip", event_id, clip)
        if still is not None:
            self.courier.send("still", event_id, still).wait(STILL)
        if sentence is not None:
            self._tracker.attach(event_id, sentence=sentence)

    def _on_stored(self, event: str, media: Media) -> None:
        self._tracker.attach(event, media=[media])
