"""What a policy's answers were worth, video by video, as counts that add up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
import numpy.typing as npt

from costream.lab.evaluate.metrics.bootstrap import Floats, bounds, draw_weights
from costream.lab.evaluate.metrics.share import Share, share_of

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class VideoTally:
    """The counts of one video.

    Attributes:
        hits: categories of the video that some window says yes to.
        false: other categories that some window says yes to.
        missed: categories of the video that no window says yes to.
        events: annotated events.
        found: those that an alert of their category overlaps.
        alerts: runs of windows that say yes.
        justified: those that overlap an event of their category.
        seconds: length of video in which alerts were counted: 0 where nobody annotated the times.
        answers: (window, question) pairs.
        flips: those answered otherwise than by the reference.
        yes: those that are a yes on either side.
    """

    hits: float = 0
    false: float = 0
    missed: float = 0
    events: float = 0
    found: float = 0
    alerts: float = 0
    justified: float = 0
    seconds: float = 0
    answers: float = 0
    flips: float = 0
    yes: float = 0


_PLACES = {field.name: place for place, field in enumerate(fields(VideoTally))}


def _ratio(part: Floats, whole: Floats) -> Floats:
    """A ratio without a denominator is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


class Sums:
    """Counts that were added up, of one or more drawings: each an array of the same shape."""

    def __init__(self, sums: Floats) -> None:
        self._sums = sums

    def __getattr__(self, name: str) -> Floats:
        found: Floats = self._sums[..., _PLACES[name]]
        return found


def f1(sums: Sums) -> Floats:
    """F1 of (video, category) pairs."""
    return _ratio(2 * sums.hits, 2 * sums.hits + sums.false + sums.missed)


def event_f1(sums: Sums) -> Floats:
    """Harmonic mean of event recall and event precision."""
    recall, precision = _ratio(sums.found, sums.events), _ratio(sums.justified, sums.alerts)
    return _ratio(2 * recall * precision, recall + precision)


def false_alarms(sums: Sums) -> Floats:
    """Alerts that overlap no event of their category, an hour of video."""
    return _ratio(HOUR * (sums.alerts - sums.justified), sums.seconds)


Measure = Callable[[Sums], Floats]

SHARES: Mapping[str, tuple[str, str]] = {
    "event_recall": ("found", "events"),
    "event_precision": ("justified", "alerts"),
    "flips": ("flips", "answers"),
    "yes_flips": ("flips", "yes"),
}
"""What is a share of counts: the part, and the whole."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% interval over videos.

    Attributes:
        value: on all videos.
        low: lower bound.
        high: upper bound.
    """

    value: float
    low: float
    high: float


class Tally:
    """The counts of all videos of a set under one policy.

    Args:
        videos: in an order that all tallies that are compared share.
    """

    def __init__(self, videos: Sequence[VideoTally]) -> None:
        counts = np.array([astuple(video) for video in videos], np.float64)
        self.counts: Floats = counts.reshape(-1, len(_PLACES))

    @classmethod
    def mean(cls, tallies: Sequence[Tally]) -> Tally:
        """Returns the mean counts of tallies of the same videos."""
        tally = cls([])
        tally.counts = np.mean([one.counts for one in tallies], axis=0)
        return tally

    def only(self, places: Sequence[int] | npt.NDArray[np.intp]) -> Tally:
        """Returns the tally of the videos at some places: integers."""
        tally = Tally([])
        tally.counts = self.counts[places]
        return tally

    def total(self, name: str) -> float:
        """Returns a count over all videos."""
        return float(self.counts[:, _PLACES[name]].sum())

    def share(self, name: str) -> Share:
        """Returns one of :data:`SHARES`."""
        part, whole = (self.counts[:, _PLACES[column]] for column in SHARES[name])
        return share_of(part, whole)

    def value(self, measure: Measure) -> float:
        """Returns a measure on all videos."""
        return float(measure(Sums(self.counts.sum(axis=0))))

    def estimate(self, measure: Measure) -> Estimate:
        """Returns a measure with its interval over videos."""
        return Estimate(self.value(measure), *bounds(measure(self._drawn())))

    def change(self, measure: Measure, reference: Tally) -> Estimate:
        """Returns by how much a measure is above that of the reference, on the same videos.

        Both are taken on the same drawings, so that what makes a video hard for both counts for
        neither.
        """
        drawn = measure(self._drawn()) - measure(reference._drawn())
        return Estimate(self.value(measure) - reference.value(measure), *bounds(drawn))

    def _drawn(self) -> Sums:
        return Sums(draw_weights(len(self.counts)) @ self.counts)
