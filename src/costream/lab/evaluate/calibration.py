"""The rule by which scores are calibrated: from which log odds a yes is best taken for one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

OFFERED = torch.arange(-3.0, 8.0, 0.1)
"""Log odds of a yes to choose from: those that a model is sure of are far apart."""

BLUR = 0.2
"""How far the log odds of an answer sway: F1 is averaged over it. Best in cross-validation."""


def choose_even_odds(happened: Tensor, highest: Sequence[Tensor]) -> float:
    """Returns the log odds of a yes to one question that count as even.

    One window of many is enough for a yes, and what a model seldom makes out it tells with less
    confidence than what it never misses. The best log odds have the highest F1 over videos, as a
    mean of all policies.

    Args:
        happened: bool [videos], which of them show what is asked for.
        highest: for each policy the highest log odds of a yes over all windows: [videos].
    """
    reached = torch.stack([_blurred_f1(happened, odds) for odds in highest]).mean(dim=0)
    best = torch.nonzero(reached >= reached.max() - 1e-6).flatten().tolist()
    return round(float(OFFERED[best[len(best) // 2]]), 2)


def _blurred_f1(happened: Tensor, odds: Tensor) -> Tensor:
    """Returns F1 for each of :data:`OFFERED`; where nothing happened, how seldom it is told."""
    told: Tensor = torch.special.ndtr((odds - OFFERED[:, None]) / BLUR)
    if not happened.any():
        return 1 - told.mean(dim=1)
    return 2 * told[:, happened].sum(dim=1) / (told.sum(dim=1) + happened.sum())
