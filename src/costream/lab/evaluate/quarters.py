"""Answers that flip, by quarter of the stream: whether what is reused goes stale with time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from costream.lab.evaluate.accuracy import common_videos
from costream.lab.evaluate.answers import Results, aligned, decide_by_settings
from costream.lab.evaluate.datasets import Dataset
from costream.lab.evaluate.metrics import share_of
from costream.lab.evaluate.policies import REFERENCE
from costream.settings import EngineSettings

QUARTERS = 4


@dataclass(frozen=True, slots=True)
class QuarterRow:
    """One policy on one quarter of every video's windows.

    Attributes:
        quarter: from 1 on.
        policy: the policy.
        answers: how many (window, question) pairs.
        flips: share of them that differ from full recomputation's.
        flips_low: lower bound of its 95% interval.
        flips_high: upper bound.
        yes: how many of the answers are a yes on either side.
        yes_flips: share of those that flip.
        yes_flips_low: lower bound of its 95% interval.
        yes_flips_high: upper bound.
    """

    quarter: int
    policy: str
    answers: int
    flips: float
    flips_low: float
    flips_high: float
    yes: int
    yes_flips: float
    yes_flips_low: float
    yes_flips_high: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return asdict(self)


def rate_quarters(
    dataset: Dataset, results: Mapping[str, Results], settings: EngineSettings
) -> list[QuarterRow]:
    """Compares every policy with full recomputation in each quarter of the videos."""
    videos = common_videos(dataset, results)
    asks = tuple(dataset.questions.values())
    decided = {p: decide_by_settings(r, videos, asks, settings) for p, r in results.items()}
    known, before = results[REFERENCE], decided[REFERENCE]
    rows: list[QuarterRow] = []
    for policy in [policy for policy in results if policy != REFERENCE]:
        counts = []
        for name in [video.name for video in videos]:
            mine, reference = results[policy][name].windows, known[name].windows
            ours, theirs = aligned(mine, decided[policy][name], reference, before[name])
            # One row a window: flips, answers, yes on either side.
            window = np.stack(
                [(ours != theirs).sum(1), np.full(len(ours), ours.shape[1]), (ours | theirs).sum(1)]
            ).T
            counts.append([part.sum(axis=0) for part in np.array_split(window, QUARTERS)])
        rows += _rows(policy, np.array(counts))
    return rows


def _rows(policy: str, counts: np.ndarray[Any, Any]) -> Iterator[QuarterRow]:
    """Yields a row for each quarter of counts [videos, quarters, 3]."""
    for quarter in range(QUARTERS):
        flipped, answers, yes = counts[:, quarter].T
        flips, of_yes = share_of(flipped, answers), share_of(flipped, yes)
        yield QuarterRow(
            quarter=quarter + 1,
            policy=policy,
            answers=int(flips.of),
            flips=flips.value,
            flips_low=flips.low,
            flips_high=flips.high,
            yes=int(of_yes.of),
            yes_flips=of_yes.value,
            yes_flips_low=of_yes.low,
            yes_flips_high=of_yes.high,
        )
