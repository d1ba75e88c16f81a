"""What answers are worth: counts, ranking, events, flips. Pure functions, no video, no model."""

from costream.lab.evaluate.metrics.counts import Counts, count_videos
from costream.lab.evaluate.metrics.events import EventScore, find_events
from costream.lab.evaluate.metrics.ranking import (
    area_under_roc,
    average_precision,
    frame_scores,
)
from costream.lab.evaluate.metrics.share import Share, share_of
from costream.lab.evaluate.metrics.tally import (
    Estimate,
    Tally,
    VideoTally,
    event_f1,
    f1,
    false_alarms,
)

__all__ = [
    "Counts",
    "Estimate",
    "EventScore",
    "Share",
    "Tally",
    "VideoTally",
    "area_under_roc",
    "average_precision",
    "count_videos",
    "event_f1",
    "f1",
    "false_alarms",
    "find_events",
    "frame_scores",
    "share_of",
]
