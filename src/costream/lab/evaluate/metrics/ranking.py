"""Area under the ROC curve, average precision, and the score of a frame from windows over it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def area_under_roc(scores: Floats, labels: npt.NDArray[np.bool_]) -> float | None:
    """Returns the chance that a positive scores above a negative; ties count half.

    Args:
        scores: [items].
        labels: [items].

    Returns:
        None where there are only positives, or only negatives.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    # Equal scores share the mean of the ranks that they take together, from 1 on.
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    above = float(ranks[labels].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def average_precision(scores: Floats, labels: npt.NDArray[np.bool_]) -> float | None:
    """Returns the precision among the items that score at least as much, averaged over positives.

    Args:
        scores: [items]; of equal ones the earlier item counts as higher.
        labels: [items].

    Returns:
        None where there are no positives.
    """
    if not labels.any():
        return None
    found = labels[np.argsort(-scores, kind="stable")]
    precision = found.cumsum() / np.arange(1, len(found) + 1)
    return float(precision[found].mean())


def frame_scores(
    spans: Sequence[tuple[float, float]], scores: Floats, times: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Returns the mean score of the windows that hold each frame.

    Args:
        spans: start and end of each window, in seconds.
        scores: [windows, questions].
        times: [frames], in seconds, in order.

    Returns:
        Float64 [frames, questions], zero where no window holds the frame, and bool [frames], true
        where one does.
    """
    bounds = np.searchsorted(times, np.array(spans, np.float64).reshape(-1, 2))
    sums = np.zeros((len(times), scores.shape[1]))
    windows = np.zeros(len(times))
    for (first, end), score in zip(bounds, scores, strict=True):
        sums[first:end] += score
        windows[first:end] += 1
    return sums / np.maximum(windows, 1)[:, None], windows > 0
