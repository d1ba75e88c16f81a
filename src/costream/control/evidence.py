"""Tests of a rate that may be looked at after every observation, and of its change."""

from __future__ import annotations

import numpy as np

_ABOVE = np.array([0.02, 0.05, 0.1, 0.2, 0.5, 0.9])
"""What is bet on an excess, as shares of the most that may be: small stakes see small excesses,
large ones large ones soon."""

_BELOW, _WEIGHTS = np.array([0.3, 0.6, 0.97]), np.array([0.15, 0.25, 0.6])
"""What is bet on a lower rate, likewise, and how the stakes are weighted: mostly on none at all."""


class RateDetector:
    """Notices that losses exceed a rate, whenever they begin to.

    It is the CUSUM of an e-process (Shin, Ramdas and Rinaldo, "E-detectors", arXiv 2203.03532), a
    mean over several stakes: each factor ``1 + s w (x - rate)`` is 1 on average, or less, while
    the loss ``x`` has a mean of ``rate`` or less, and what was lost before it began is forgotten.
    While that holds, :attr:`evidence` reaches a bar ``b`` no more often than once in ``b``
    observations on average.

    Args:
        rate: the rate, in 0..1.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._stakes = _ABOVE / rate
        self._wealth = np.ones(len(_ABOVE))

    @property
    def evidence(self) -> float:
        """How much speaks for an excess: 1 for nothing."""
        return float(self._wealth.mean())

    def add(self, loss: float, weight: float = 1.0) -> None:
        """Takes an observation.

        Args:
            loss: 0..1.
            weight: 0..1. Observations that were drawn with different probabilities weigh their
                inverse, times the least of them: then their mean is that of all.
        """
        factor = 1 + self._stakes * weight * (loss - self.rate)
        self._wealth = np.maximum(self._wealth, 1.0) * factor


class RateTest:
    """Gathers evidence that losses stay under a rate.

    A weighted mean of e-processes over several stakes, which is one: while the losses' mean is
    ``rate`` or more, :attr:`evidence` ever reaches a bar ``b`` with a probability of ``1 / b`` at
    most (Ville's inequality; Waudby-Smith and Ramdas, arXiv 2010.09686).

    Args:
        rate: the rate, in 0..1 and below 1.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._stakes = _BELOW / (1 - rate)
        self._wealth = _WEIGHTS

    @property
    def evidence(self) -> float:
        """How much speaks for a rate that is lower: 1 for nothing."""
        return float(self._wealth.sum())

    def add(self, loss: float, weight: float = 1.0) -> None:
        """Takes an observation: see :meth:`RateDetector.add`."""
        self._wealth = self._wealth * (1 + self._stakes * weight * (self.rate - loss))
