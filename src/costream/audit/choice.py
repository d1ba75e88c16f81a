"""Which windows are checked: all of them may be, those that are worth more are so more often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RANDOM_SHARE = 0.75
"""Part of the share that is spread evenly over all windows. It is what the upper bound rests on."""

MAX_FAVOUR = 10.0
"""How many times the share an important window's probability may be, at most."""

NEAR = 0.15
"""Distance of a score from its threshold up to which it is near it."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Why a window may be worth more than others.

    Attributes:
        near: a score of it is near its threshold.
        changed: the scene, the light or the camera's view changed within it.
    """

    near: bool
    changed: bool

    def __bool__(self) -> bool:
        return self.near or self.changed


class AuditChoice:
    """Draws the windows of one stream that are checked.

    Every window is checked with a probability that is known before it is, :attr:`floor` at least.
    What is left of the share goes to important windows, as many as there were so far.

    Args:
        share: of the windows that are checked, in the long run and at most, in 0..1: as much
            compute as that share of recomputing every window in full.
        seed: of the draws, one or several numbers.

    Attributes:
        floor: the least probability of any window.
    """

    def __init__(self, share: float, seed: int | list[int]) -> None:
        self.share = share
        self.floor = RANDOM_SHARE * share if share < 1 else 1.0
        self._random = np.random.default_rng(seed)
        self._windows = self._important = 0

    def probability(self, importance: Importance) -> float:
        """Returns the probability with which the next window is checked, and counts it."""
        self._windows += 1
        if not importance:
            return self.floor
        self._important += 1
        favour = (self.share - self.floor) * self._windows / self._important
        return min(1.0, self.floor + favour, MAX_FAVOUR * self.share)

    def draw(self, probability: float) -> bool:
        """Says whether a window of that probability is checked."""
        return bool(self._random.random() < probability)
