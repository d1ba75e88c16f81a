"""One question before one camera, from its scores to the event that is open."""

from __future__ import annotations

from dataclasses import replace

from costream.serve.config.watched import AlertRule, WatchedQuestion
from costream.serve.events.curve import Curve, CurvePart
from costream.serve.events.event import Event, ScoredWindow
from costream.serve.events.incident import Incident, Span, Step
from costream.serve.events.ulid import new_ulid
from costream.serve.store.record import Record


class Track:
    """What is known of one question before one camera.

    Attributes:
        question: as it was asked last; None while only an event of before the start is known.
        record: of the event that is open, or None.
        due: when sinks are told of that event at the latest, on the clock of ``time.monotonic``.
    """

    def __init__(self, camera: str, question: str) -> None:
        self.question: WatchedQuestion | None = None
        self.record: Record | None = None
        self.due = float("-inf")
        self._key = (camera, question)
        self._incident = Incident()
        self._curve = Curve()

    @classmethod
    def resumed(cls, record: Record, part: int, received: float) -> Track:
        """Returns one whose event was open when the service went away.

        Args:
            record: of the event.
            part: the next part of its curve.
            received: when its last window ended, on the clock of ``time.monotonic``.
        """
        event = record.event
        track = cls(event.camera, event.question)
        track.record = record
        span = Span(event.start, event.end, event.score, event.threshold, event.interrupted)
        track._incident = Incident.resumed(span, record.last, received)
        track._curve.resume(event.id, part)
        return track

    @classmethod
    def following(
        cls,
        camera: str,
        question: WatchedQuestion,
        risen: Span | None,
        seen: float,
        received: float,
    ) -> Track:
        """Returns one that goes on where somebody else ended: see :meth:`Incident.following`."""
        track = cls(camera, question.id)
        track.question = question
        track._incident = Incident.following(risen, seen, received)
        return track

    @property
    def camera(self) -> str:
        """The camera's id."""
        return self._key[0]

    @property
    def risen(self) -> Span | None:
        """What may become an incident: see :attr:`Incident.risen`."""
        return self._incident.risen

    def observe(self, window: ScoredWindow, question: WatchedQuestion) -> list[Step]:
        """Takes a window's score."""
        self.question = question
        if window.score is not None:
            self._curve.add(window.end, window.score)
        return self._incident.observe(window, question.rule)

    def lose(self, at: float) -> list[Step]:
        """Takes note that the camera was lost, or the service was gone."""
        return self._incident.lose(at)

    def expire(self, now: float, steady: float) -> list[Step]:
        """Ends the event if its windows stay away: see :meth:`Incident.expire`."""
        return self._incident.expire(now, steady, self._cooldown())

    def close(self, at: float) -> list[Step]:
        """Ends the event."""
        return self._incident.close(at)

    def goes_by(self, question: WatchedQuestion | None) -> bool:
        """Whether the event may go on when this is asked from now on."""
        if question is None:
            return False
        if self.question is not None:
            return _same(self.question, question)
        event = None if self.record is None else self.record.event
        return event is None or (event.ask, event.zone) == (question.ask, question.zone)

    def take(self, step: Step) -> Record:
        """Returns the event after a step of this track."""
        span = step.span
        if step.change == "new" or self.record is None:
            event = self._begin(span)
        else:
            event = replace(
                self.record.event, end=span.end, score=span.score, interrupted=span.interrupted
            )
        announced = self.record is not None and self.record.announced
        closed = step.change == "end"
        record = Record(event, self._incident.last, self._cooldown(), announced, closed)
        self.record = None if closed else record
        if closed:
            self._curve.end()
        return record

    def refreshed(self) -> tuple[Record | None, CurvePart | None]:
        """Returns the event that is open with what the last window changed, and its scores."""
        span = self._incident.span
        if self.record is not None and span is not None:
            event = replace(self.record.event, score=span.score)
            self.record = replace(self.record, event=event, last=self._incident.last)
        return self.record, self._curve.part()

    def _begin(self, span: Span) -> Event:
        assert self.question is not None, "an event begins with a window"
        camera, question = self._key
        event = Event(
            id=new_ulid(span.start),
            camera=camera,
            question=question,
            ask=self.question.ask,
            zone=self.question.zone,
            start=span.start,
            end=None,
            score=span.score,
            threshold=span.threshold,
        )
        self._curve.begin(event.id)
        return event

    def _cooldown(self) -> float:
        if self.question is not None:
            return self.question.rule.cooldown
        return 0.0 if self.record is None else self.record.cooldown


def _same(one: WatchedQuestion, other: WatchedQuestion) -> bool:
    """Whether two questions are asked and judged alike, whatever they are called."""

    def judged(question: WatchedQuestion) -> tuple[str, str | None, object, AlertRule]:
        return question.ask, question.zone, question.polygon, question.rule

    return judged(one) == judged(other)
