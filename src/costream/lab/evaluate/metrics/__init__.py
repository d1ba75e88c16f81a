"""What answers are worth: counts, ranking, events, flips. Pure functions, no video, no model."""

from costream.lab.evaluate.metrics.counts import Counts, count_videos
from costream.lab.evaluate.metrics.events import EventScore, find_events
from costream.lab.evaluate.metrics.flips import Flips, count_flips
from costream.lab.evaluate.metrics.ranking import area_under_roc, frame_scores

__all__ = [
    "Counts",
    "EventScore",
    "Flips",
    "area_under_roc",
    "count_flips",
    "count_videos",
    "find_events",
    "frame_scores",
]
