"""The rule that makes one event of an incident: a state machine without a clock.

One question before one camera is, at any time, in one of these states::

    quiet ──threshold──> rising ──hold──> lasting ──below release──> cooling ──cool-down──> quiet
      ^                    │                 ^                          │
      └──below threshold───┘                 └────threshold and hold────┘

A window *reaches* a score of at least ``threshold``. An incident begins with a window that reaches
it, and counts once all windows did so for ``hold`` seconds. It lasts until a window's score lies
below ``release``. An event is one incident and all that begin at most ``cooldown`` seconds after
the end of the one before. Windows without a number neither begin nor end anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from costream.serve.config.watched import AlertRule
from costream.serve.events.event import Change, ScoredWindow

GRACE = 30.0
"""Seconds beyond the cool-down for which windows may stay away before an event is ended without
them, and seconds by which the wall clock may be set before all begins anew."""

RELEASE = 0.7
"""Share of the threshold that is the release where none is given."""

_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class Span:
    """What is known of an event's time and score.

    Attributes:
        start: when its first incident began, seconds since 1970.
        end: when its last incident was over; None while that lasts.
        score: the highest so far.
        threshold: the one that its first window reached.
        interrupted: whether ``end`` is only the last that is known.
    """

    start: float
    end: float | None
    score: float
    threshold: float
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One change of an event: what happened, the event's span after it, and when."""

    change: Change
    span: Span
    at: float


class Incident:
    """Makes events of the scores of one question before one camera.

    Attributes:
        span: of the event that is open, or None. It is open from ``new`` to ``end``.
        last: the end of the last window at or above release while the event lasted.
    """

    def __init__(self) -> None:
        self.span: Span | None = None
        self.last = -math.inf
        self._seen = -math.inf
        self._received = -math.inf
        self._rising: Span | None = None
        self._told = -math.inf

    @classmethod
    def resumed(cls, span: Span, last: float, received: float) -> Incident:
        """Returns one whose event was open when the service went away; :meth:`lose` it next.

        Args:
            span: of the event.
            last: see :class:`Incident`.
            received: the same moment on the clock of ``time.monotonic``.
        """
        incident = cls()
        incident.span = span
        incident._received = received
        incident.last = incident._seen = incident._told = last
        return incident

    @classmethod
    def following(cls, risen: Span | None, seen: float, received: float) -> Incident:
        """Returns one that goes on where somebody else ended.

        Args:
            risen: what may become an incident, as :attr:`risen` had it.
            seen: the end of the last window that was seen, seconds since 1970.
            received: the same moment on the clock of ``time.monotonic``.
        """
        incident = cls()
        incident._rising = risen
        incident._seen, incident._received = seen, received
        return incident

    @property
    def risen(self) -> Span | None:
        """What may become an incident, if it stays at the threshold for long enough."""
        return self._rising

    @property
    def lasting(self) -> bool:
        """Whether an incident is going on, as far as known."""
        return self.span is not None and self.span.end is None

    def observe(self, window: ScoredWindow, rule: AlertRule) -> list[Step]:
        """Takes the next window and returns what changed, in order."""
        steps = self._bridge(window, rule)
        before, at = self._seen, max(window.end, self._seen)
        self._seen, self._received = at, window.received
        threshold, release = levels(window, rule)
        if self.lasting:
            return steps + self._last(at, window.score, release, rule)
        began = max(at - window.stride, before)
        steps += self._rise(at, window.score, Span(began, None, 0.0, threshold), rule)
        return steps + self._begin(at, window.score, rule)

    def lose(self, at: float) -> list[Step]:
        """Takes note that the camera was lost, or the service was gone."""
        self._rising = None
        if self.span is None or self.span.end is not None:
            return []
        self.span = replace(self.span, end=self.last, interrupted=True)
        return [Step("update", self.span, at)]

    def expire(self, at: float, steady: float, cooldown: float) -> list[Step]:
        """Ends what no window ends because none comes: call it now and then.

        Args:
            at: the present, seconds since 1970.
            steady: the present on the clock of ``time.monotonic``.
            cooldown: of the rule.
        """
        silence = steady - self._received
        if self.span is None or silence <= GRACE:
            return []
        known = self._seen if self.span.end is None else self.span.end
        return self.close(at) if silence + self._seen - known > cooldown + GRACE else []

    def close(self, at: float) -> list[Step]:
        """Ends the event, if one is open, with the last that is known of it."""
        self.lose(at)
        return [] if self.span is None else self._end(self.span, at)

    def _bridge(self, window: ScoredWindow, rule: AlertRule) -> list[Step]:
        """Ends what lies too far from a window: by a long silence, or a clock that was set."""
        passed = window.received - self._received
        was_set = abs(window.end - self._seen - passed) > GRACE
        if not was_set and passed - window.stride <= rule.cooldown + GRACE:
            return []
        steps = self.close(window.end)
        self._seen = -math.inf
        return steps

    def _last(self, at: float, score: float | None, release: float, rule: AlertRule) -> list[Step]:
        """Takes a window while an incident lasts."""
        if self.span is None or score is None:
            return []
        if score < release:
            over = replace(self.span, end=self.last)
            return self._end(over, at) if at > self.last + rule.cooldown else self._tell(over, at)
        self.last = at
        self.span = replace(self.span, score=max(self.span.score, score))
        due = rule.update_every > 0 and at - self._told >= rule.update_every - _ROUNDING
        return self._tell(self.span, at) if due else []

    def _rise(self, at: float, score: float | None, fresh: Span, rule: AlertRule) -> list[Step]:
        """Takes a window while none lasts; ends the event whose cool-down has passed."""
        if score is not None:
            rising = self._rising or fresh
            higher = replace(rising, score=max(rising.score, score))
            self._rising = higher if score >= fresh.threshold else None
        if self.span is None or self.span.end is None:
            return []
        limit = self.span.end + rule.cooldown
        goes_on = self._rising is not None and self._rising.start <= limit
        return self._end(self.span, at) if at > limit and not goes_on else []

    def _begin(self, at: float, score: float | None, rule: AlertRule) -> list[Step]:
        """Begins an event, or goes on with the open one, once an incident counts."""
        rising = self._rising
        if rising is None or score is None or at - rising.start < rule.hold - _ROUNDING:
            return []
        self._rising, self.last = None, at
        if self.span is None:
            return self._tell(rising, at, "new")
        score = max(self.span.score, rising.score)
        return self._tell(replace(self.span, end=None, score=score, interrupted=False), at)

    def _tell(self, span: Span, at: float, change: Change = "update") -> list[Step]:
        self.span, self._told = span, at
        return [Step(change, span, at)]

    def _end(self, span: Span, at: float) -> list[Step]:
        self.span = None
        return [Step("end", span, at)]


def levels(window: ScoredWindow, rule: AlertRule) -> tuple[float, float]:
    """Returns the threshold and the release that hold for a window."""
    threshold = window.threshold if rule.threshold is None else rule.threshold
    release = RELEASE * threshold if rule.release is None else rule.release
    return threshold, min(release, threshold)
