"""Events and alerts: what was found, what was a false alarm, and how long the first alert took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class EventScore:
    """How the alerts of one or more videos fit their events.

    Attributes:
        events: how many there were.
        found: those that an alert overlaps.
        alerts: runs of windows that say yes.
        justified: those of them that overlap an event.
        delays: for each event that was found, seconds from its start to the end of the first
            alerting window that overlaps it, which is when the alert can be given.
    """

    events: int = 0
    found: int = 0
    alerts: int = 0
    justified: int = 0
    delays: tuple[float, ...] = ()

    def __add__(self, other: EventScore) -> EventScore:
        return EventScore(
            self.events + other.events,
            self.found + other.found,
            self.alerts + other.alerts,
            self.justified + other.justified,
            self.delays + other.delays,
        )

    @property
    def recall(self) -> float:
        """Share of the events that were found; 0 without any."""
        return self.found / self.events if self.events else 0.0

    @property
    def precision(self) -> float:
        """Share of the alerts that were justified; 0 without any."""
        return self.justified / self.alerts if self.alerts else 0.0

    @property
    def delay(self) -> float | None:
        """Mean delay in seconds, None where nothing was found."""
        return sum(self.delays) / len(self.delays) if self.delays else None


def find_events(
    windows: Sequence[Span], alerting: Sequence[bool], events: Sequence[Span]
) -> EventScore:
    """Compares the answers to one question on one video with its events.

    Args:
        windows: start and end of each, in order.
        alerting: whether each says yes. Alerts of adjacent windows are one.
        events: start and end of each.
    """
    alerts = _merge(windows, alerting)
    yes = [window for window, alert in zip(windows, alerting, strict=True) if alert]
    firsts = [next((w for w in yes if _overlap(w, event)), None) for event in events]
    delays = tuple(
        max(0.0, window[1] - event[0])
        for window, event in zip(firsts, events, strict=True)
        if window is not None
    )
    justified = sum(any(_overlap(alert, event) for event in events) for alert in alerts)
    return EventScore(len(events), len(delays), len(alerts), justified, delays)


def _merge(windows: Sequence[Span], alerting: Sequence[bool]) -> list[Span]:
    alerts: list[Span] = []
    before = False
    for window, alert in zip(windows, alerting, strict=True):
        if alert and before:
            alerts[-1] = (alerts[-1][0], window[1])
        elif alert:
            alerts.append(window)
        before = alert
    return alerts


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
