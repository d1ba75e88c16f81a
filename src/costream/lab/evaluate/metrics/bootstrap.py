"""Whole videos drawn again: what a figure would be on other videos of the same kind.

Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13: percentile intervals.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ROUNDS = 2000


@lru_cache(maxsize=16)
def draw_weights(videos: int, seed: int = 0) -> Floats:
    """Draws as many videos as there are, with replacement, 2000 times.

    The same seed draws the same videos: what two policies are worth on one draw may be subtracted.

    Returns:
        [rounds, videos], how often each video was drawn.
    """
    draws = np.random.default_rng(seed).integers(0, max(1, videos), (ROUNDS, videos))
    weights = np.zeros((ROUNDS, videos))
    np.add.at(weights, (np.arange(ROUNDS)[:, None], draws), 1)
    weights.flags.writeable = False
    return weights


def bounds(values: Floats) -> tuple[float, float]:
    """Returns the 95% interval of values [rounds] of a drawing."""
    low, high = np.percentile(values, [2.5, 97.5]).tolist()
    return low, high
