"""Paired answers: how often one policy says yes where another says no, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

Z = 1.959964
"""Quantile of the normal distribution for an interval of 95%."""

ROUNDS = 2000


@dataclass(frozen=True, slots=True)
class Flips:
    """Share of answers that differ, with its 95% interval.

    Attributes:
        share: of all pairs of answers; 0 without any.
        low: lower bound.
        high: upper bound.
        pairs: how many pairs were compared.
    """

    share: float
    low: float
    high: float
    pairs: int


def count_flips(videos: Sequence[tuple[int, int]], *, seed: int = 0) -> Flips:
    """Puts the videos' counts together.

    Answers of one video resemble each other, so the interval comes from drawing whole videos again
    (percentile bootstrap); where that is narrower than Wilson's for independent pairs, as with few
    flips, Wilson's bound stands.

    Args:
        videos: for each video how many answers differ, of how many.
        seed: of the drawing.
    """
    flips, pairs = (sum(column) for column in zip(*videos, strict=True)) if videos else (0, 0)
    if not pairs:
        return Flips(0.0, 0.0, 1.0, 0)
    low, high = _wilson(flips, pairs)
    drawn_low, drawn_high = _bootstrap(np.array(videos), seed)
    return Flips(flips / pairs, min(low, drawn_low), max(high, drawn_high), pairs)


def _wilson(flips: int, pairs: int) -> tuple[float, float]:
    share = flips / pairs
    middle = share + Z**2 / (2 * pairs)
    spread = Z * sqrt(share * (1 - share) / pairs + Z**2 / (4 * pairs**2))
    scale = 1 + Z**2 / pairs
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def _bootstrap(counts: npt.NDArray[np.int64], seed: int) -> tuple[float, float]:
    draws = np.random.default_rng(seed).integers(0, len(counts), (ROUNDS, len(counts)))
    flips, pairs = counts[draws].sum(axis=1).T
    low, high = np.percentile(flips / np.maximum(pairs, 1), [2.5, 97.5])
    return float(low), float(high)
