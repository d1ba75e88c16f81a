"""Accuracy by how much moves in a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from costream.lab.evaluate.accuracy import common_videos
from costream.lab.evaluate.answers import Examiner, Results, decide_by_settings
from costream.lab.evaluate.datasets import Dataset
from costream.lab.evaluate.metrics import f1
from costream.lab.evaluate.policies import DEFAULT, REFERENCE
from costream.lab.evaluate.results import VideoResult
from costream.lab.evaluate.spending import Spending
from costream.settings import EngineSettings

LEVELS = ("low", "medium", "high")
"""Thirds of a set's videos, from those that move least on."""


@dataclass(frozen=True, slots=True)
class LevelRow:
    """One policy on the videos of one level of motion.

    Attributes:
        level: one of :data:`LEVELS`.
        policy: the policy.
        videos: how many.
        motion_low: motion of the calmest of them, by :func:`motion_of`.
        motion_high: motion of the liveliest.
        kept: share of a window's visual tokens that the policy encodes from their own frames.
        f1: of (video, category) pairs.
        f1_low: lower bound of its 95% interval over videos.
        f1_high: upper bound.
        flips: share of answers that differ from full recomputation's.
        flips_low: lower bound of its 95% interval.
        flips_high: upper bound.
        yes_flips: the same among answers that are a yes on either side.
    """

    level: str
    policy: str
    videos: int
    motion_low: float
    motion_high: float
    kept: float
    f1: float
    f1_low: float
    f1_high: float
    flips: float
    flips_low: float
    flips_high: float
    yes_flips: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return asdict(self)


def motion_of(default: VideoResult) -> float:
    """Returns how much moves in a video: the share of visual tokens that the default rule keeps.

    The first window, which holds a frame that is encoded whole because it is the first, does not
    count where there are others. Noise, a changing light and a shaking camera count as far as the
    rule takes them for a change.

    Args:
        default: what the default policy made of the video.
    """
    spent = Spending.of(default.windows[1:] or default.windows)
    return spent.kept / max(1, spent.full)


def rate_levels(
    dataset: Dataset, results: Mapping[str, Results], settings: EngineSettings
) -> list[LevelRow]:
    """Rates every policy on each third of the videos; nothing where there are fewer than three."""
    videos = common_videos(dataset, results)
    if len(videos) < len(LEVELS):
        return []
    asks = tuple(dataset.questions.values())
    examiner = Examiner(videos, tuple(dataset.questions))
    decided = {p: decide_by_settings(r, videos, asks, settings) for p, r in results.items()}
    motion = np.array([motion_of(results[DEFAULT][video.name]) for video in videos])
    thirds = np.array_split(np.argsort(motion, kind="stable"), len(LEVELS))
    rows = []
    for policy, result in results.items():
        reference = results[REFERENCE], decided[REFERENCE]
        tally = examiner.tally(result, decided[policy], *reference)
        for level, places in zip(LEVELS, thirds, strict=True):
            part = tally.only(places)
            score, flips = part.estimate(f1), part.share("flips")
            windows = [w for n in places for w in result[videos[n].name].windows]
            spent = Spending.of(windows)
            rows.append(
                LevelRow(
                    level=level,
                    policy=policy,
                    videos=len(places),
                    motion_low=float(motion[places].min()),
                    motion_high=float(motion[places].max()),
                    kept=spent.kept / max(1, spent.full),
                    f1=score.value,
                    f1_low=score.low,
                    f1_high=score.high,
                    flips=flips.value,
                    flips_low=flips.low,
                    flips_high=flips.high,
                    yes_flips=part.share("yes_flips").value,
                )
            )
    return rows
