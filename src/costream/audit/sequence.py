"""Confidence sequences: intervals that are valid at every moment, however often one looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEVEL = 0.95
"""Share of streams whose whole course is covered, at least."""

_NONE_SEEN = 0.5
"""Weight of the bet that wins as long as no checked window differs at all."""

_Test = Callable[[Floats], Bools]

_STEPS = 48
"""Halvings of a bound's bracket: of any number of windows to far less than one."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds of a mean over all windows so far.

    Attributes:
        low: lower bound, 0..1.
        high: upper bound, 0..1.
    """

    low: float
    high: float


class ConfidenceSequence:
    """Bounds the mean loss of all windows so far, of which some are checked at random.

    Window ``t`` has a loss in 0..1, such as whether its cheap answer differs from the full one. It
    is checked with a probability that is chosen before its loss is known, and is never under
    ``floor``. With at least the stated probability, :meth:`bounds` holds the mean loss of the
    windows so far after *every* window, so that one may look at any time and stop when one likes.
    Nothing is assumed of the losses: they may drift, come in bursts and depend on each other. All
    chance is that of our own draws. What is bounded is the past; of the windows to come it tells as
    much as they are like those that there were.

    Method: betting (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
    betting", JRSS B 2024, arXiv 2010.09686) with importance weights of predictable probabilities
    (Waudby-Smith et al., "Anytime-valid off-policy inference for contextual bandits", arXiv
    2210.10768; Shekhar et al., "Risk-limiting financial audits via weighted sampling without
    replacement", UAI 2023, arXiv 2305.06884). Let ``d`` be a window's loss, ``p`` its probability,
    and ``x = d/p`` where it is checked, else 0: ``x`` has the mean ``d``, so that for any stake
    ``s`` that keeps the factors positive, the products over windows

        prod (1 - s (x - d)),  stakes up to floor / (1 - floor)   (rules large sums of d out)
        prod (1 + s (x - d)),  stakes below 1                     (rules small sums of d out)

    are martingales that begin at 1, and so is a weighted mean of them over stakes. By Ville's
    inequality one exceeds ``2 / (1 - level)`` with a probability of ``(1 - level) / 2`` at most,
    ever. Losses of windows that were not checked enter by their sum alone: logarithms are concave,
    so the product is smallest where that sum is made of ones.

    Where nothing differs, the stake ``floor / (1 - floor)`` gives the bound of a plain binomial
    test but for the factor 2 of its weight: after ``n`` windows, ``log(4 / (1 - level)) / (floor *
    n)``.

    A window that was chosen and could not be checked counts as a loss of 1 for the upper bound, and
    of 0 for the lower one.

    Args:
        floor: least probability with which any window is checked, in 0..1.
        level: share of streams that are covered, at least.
        shape: of streams side by side; none for one.

    Attributes:
        windows: int, windows so far.
        checked: int64 [shape], those that were checked.
        missed: int64 [shape], those that were chosen and could not be checked.
        seen: float64 [shape], sum of the losses of those that were checked.
    """

    def __init__(self, floor: float, level: float = LEVEL, shape: tuple[int, ...] = ()) -> None:
        if not 0 < floor <= 1:
            raise ValueError(f"a floor of {floor} is no probability over 0")
        self.windows = 0
        self.checked, self.missed = np.zeros((2, *shape), np.int64)
        self.seen, self._weighted, self._weights = np.zeros((3, *shape))
        self._odds = _odds(np.array(floor))
        self._threshold = log(2 / (1 - level))
        # What is staked: shares of the largest stake against large sums, stakes against small ones.
        shares = 0.8 * 0.7 ** np.arange(12)
        self._shares = np.concatenate([[1.0], shares])
        others = np.full(len(shares), (1 - _NONE_SEEN) / len(shares))
        self._share_weights = np.log(np.concatenate([[_NONE_SEEN], others]))
        self._stakes = 0.9 * 0.5 ** np.arange(np.ceil(np.log2(64 / floor)))
        self._stake_weight = -log(len(self._stakes))
        self._against_large = np.zeros((*shape, len(self._shares)))
        self._against_small = np.zeros((*shape, len(self._stakes)))

    def add(
        self, probability: npt.ArrayLike, checked: npt.ArrayLike, loss: npt.ArrayLike = np.nan
    ) -> None:
        """Adds the next window of each stream.

        Args:
            probability: with which it was chosen: [shape].
            checked: whether it was chosen: [shape].
            loss: its loss where it was, not a number where it could not be checked: [shape].
        """
        chosen = np.asarray(checked, np.bool_)
        losses = np.where(chosen, np.asarray(loss, np.float64), 0.0)
        missed = chosen & np.isnan(losses)
        known, weight = chosen & ~missed, 1 / np.asarray(probability, np.float64)
        high, low = np.where(missed, 1.0, losses), np.where(missed, 0.0, losses)
        rarity = np.minimum(1.0, self._odds / _odds(1 / weight))
        with np.errstate(divide="ignore"):
            self._against_large += np.log1p(-self._shares * _column(rarity * high))
        self._against_small += np.log1p(self._stakes * _column((weight - 1) * low))
        self.windows += 1
        self.checked += known
        self.missed += missed
        self.seen += low
        self._weighted += weight * low
        self._weights += weight * known

    def skip(self, windows: int = 1) -> None:
        """Adds windows that were not chosen, to all streams."""
        self.windows += windows

    def mean(self) -> Floats:
        """Returns the weighted mean loss of checked windows: [shape]; 0 where there are none."""
        low, high = self.bounds()
        found: Floats = np.clip(self._weighted / np.maximum(self._weights, 1e-300), low, high)
        return found

    def bounds(self) -> tuple[Floats, Floats]:
        """Returns the lower and the upper bound of the mean loss so far: [shape] each."""
        if not self.windows:
            return np.zeros(self.seen.shape), np.ones(self.seen.shape)
        unseen = self.windows - self.checked - self.missed
        most = self._crossing(unseen, self._is_too_large)
        # Where the sum can't be ruled out for being small, nothing is.
        least = self._crossing(unseen + self.missed, lambda more: ~self._is_too_small(more))
        high = (self.seen + self.missed + most) / self.windows
        return (self.seen + least) / self.windows, high

    def interval(self) -> Interval:
        """Returns the bounds of a single stream."""
        low, high = self.bounds()
        return Interval(float(low), float(high))

    def covers(self, total: npt.ArrayLike) -> Bools:
        """Whether :meth:`bounds` hold a sum of losses over all windows so far: [shape]."""
        beside = np.asarray(total, np.float64) - self.seen
        # Nothing is too large that is no more than what was seen or missed.
        unseen = np.maximum(0.0, beside - self.missed)
        large: Bools = (unseen > 0) & self._is_too_large(unseen)
        return ~(large | self._is_too_small(beside))

    def _is_too_large(self, unseen: Floats) -> Bools:
        """Whether losses of unchecked windows can't sum up to so much."""
        gains = _column(unseen) * np.log1p(self._shares * self._odds)
        return _log_sum(self._share_weights + self._against_large + gains) >= self._threshold

    def _is_too_small(self, unseen: Floats) -> Bools:
        """Whether losses beside those that were seen can't sum up to so little."""
        gains = _column(unseen) * np.log1p(-self._stakes)
        return _log_sum(self._stake_weight + self._against_small + gains) >= self._threshold

    def _crossing(self, most: npt.NDArray[np.int64], is_beyond: _Test) -> Floats:
        """Returns up to where a test fails that holds from some sum on, ``most`` at most."""
        low, high = np.zeros(self.seen.shape), most.astype(np.float64)
        high = np.where(is_beyond(low), 0.0, high)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            beyond = is_beyond(middle)
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        return high


def _odds(probability: Floats) -> Floats:
    """Returns the odds of a probability; of certainty, as good as certain ones."""
    return probability / np.maximum(1 - probability, 1e-12)


def _column(values: Floats) -> Floats:
    """Returns values beside the stakes: [shape, 1]."""
    return np.asarray(values)[..., None]


def _log_sum(logs: Floats) -> Floats:
    """Returns the logarithm of the sum over stakes: [shape]."""
    found: Floats = np.logaddexp.reduce(logs, axis=-1)
    return found
