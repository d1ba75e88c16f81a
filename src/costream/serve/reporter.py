"""From answered windows to events, with their pictures and what the model says of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Protocol

from costream.engine.result import Result
from costream.errors import CoStreamError
from costream.serve.cameras.clip_recorder import ClipRecorder
from costream.serve.cameras.media import MediaFolder
from costream.serve.config.watched import AlertRule, WatchedCamera, WatchedQuestion
from costream.serve.events.event import Event, EventMessage, ScoredWindow
from costream.serve.journal import Journal
from costream.serve.status import CameraStatus, WindowNews

if TYPE_CHECKING:
    from costream.serve.cameras.fleet import Fleet
    from costream.video.packet_ring import StoredPacket

PICTURES = 2
"""Events whose stills and sentences are made at a time."""

LATE = 2
"""Strides before an event at which its clip begins, beside the seconds that were asked for: an
incident goes on for a while before a window's score reaches the threshold."""

Describe = Callable[[str, str], str | None]
"""Returns what the model says of a camera's window, asked a question; None where it can't."""

logger = logging.getLogger("costream")


class Book(Protocol):
    """Makes events of scores, and adds to them what was made of them."""

    def observe(
        self, camera: WatchedCamera, question: WatchedQuestion, window: ScoredWindow
    ) -> Sequence[EventMessage]:
        """Takes what a window said to a question; returns what became of it."""
        ...

    def lost(self, camera_id: str, at: float) -> Sequence[EventMessage]:
        """Takes note that a camera was lost; returns what became of its events."""
        ...

    def announce(self, event_id: str) -> None:
        """Has sinks told of an event that began."""
        ...

    def attach(
        self,
        event_id: str,
        *,
        sentence: str | None = None,
        still: Path | None = None,
        clip: Path | None = None,
    ) -> None:
        """Adds to an event what was made of it."""
        ...


class Reporter:
    """Makes events of results. Its methods are called by threads of the fleet's.

    Args:
        alerts: makes events of scores.
        media: where stills are kept.
        fleet: has the cameras' pictures.
        describe: has the model say what happens.
        window: length of a window in seconds.
        stride: how far it moves, in seconds.
    """

    def __init__(
        self,
        alerts: Book,
        media: MediaFolder,
        fleet: Callable[[], Fleet],
        describe: Describe,
        window: float,
        stride: float,
    ) -> None:
        self._alerts = alerts
        self._media = media
        self._fleet = fleet
        self._describe = describe
        self._window, self._stride = window, stride
        self._journal = Journal()
        self._pool = ThreadPoolExecutor(PICTURES, "costream-pictures")
        self.clips = ClipRecorder(media, self._newest_packets, self._on_clip)

    def recover(self) -> None:
        """Takes up clips that a crash left."""
        for event, path in self._media.recover():
            self._on_clip(event, path)

    def on_result(self, camera: WatchedCamera, result: Result, news: WindowNews) -> None:
        """Takes the scores of a window."""
        questions = {question.id: question for question in camera.questions}
        for score in news.scores:
            question = questions.get(score.question)
            if question is None:
                continue
            window = ScoredWindow(
                news.at - min(self._window, result.end - result.start),
                news.at,
                score.score,
                score.threshold,
                self._stride,
                news.received,
            )
            for message in self._alerts.observe(camera, question, window):
                self._follow(camera, question, news.index, message)

    def on_state(self, status: CameraStatus) -> None:
        """Takes a camera's state: the events of one that is not watched any more are over."""
        self._journal.state(status)
        if status.state in ("lost", "failed", "paused", "resting"):
            for message in self._alerts.lost(status.id, time()):
                self._end_clip(message.event, AlertRule())

    def close(self) -> None:
        """Ends all clips and waits for stills and sentences."""
        self._pool.shutdown(cancel_futures=True)
        self.clips.close()

    def _follow(
        self, camera: WatchedCamera, question: WatchedQuestion, index: int, message: EventMessage
    ) -> None:
        event, rule = message.event, question.rule
        if message.change == "new":
            self._journal.event(camera, question, event)
            if rule.clip:
                start = event.start - LATE * self._stride - rule.before
                self.clips.begin(event.id, camera.id, start, rule.max_clip)
            self._pool.submit(self._illustrate, camera, question, index, event)
        elif event.end is not None:
            self._end_clip(event, rule)

    def _end_clip(self, event: Event, rule: AlertRule) -> None:
        if event.end is not None:
            self.clips.finish(event.id, event.end + rule.after)

    def _illustrate(
        self, camera: WatchedCamera, question: WatchedQuestion, index: int, event: Event
    ) -> None:
        """Adds a still and a sentence to an event, and has sinks told of it."""
        try:
            still = self._still(camera, index, event) if question.rule.still else None
            sentence = self._describe(camera.id, question.ask) if question.rule.sentence else None
            if still is not None or sentence is not None:
                self._alerts.attach(event.id, still=still, sentence=sentence)
        except CoStreamError as error:
            logger.warning("event %s has no picture or sentence: %s", event.id, error)
        except Exception as error:  # this event's alone
            logger.warning("event %s has no picture or sentence: %r", event.id, error)
        finally:
            self._alerts.announce(event.id)

    def _still(self, camera: WatchedCamera, index: int, event: Event) -> Path | None:
        try:
            picture = self._fleet().still(camera.id, index)
            return self._media.keep(event.id, event.start, picture)
        except (CoStreamError, OSError) as error:
            logger.warning("event %s has no still: %s", event.id, error)
            return None

    def _newest_packets(self, camera: str, moment: float, number: int | None) -> list[StoredPacket]:
        return self._fleet().newest_packets(camera, moment, number)

    def _on_clip(self, event: str, path: Path) -> None:
        try:
            self._alerts.attach(event, clip=path)
        except CoStreamError as error:
            logger.warning("the clip %s belongs to no event: %s", path.name, error)
