"""What is told where a yes that begins is confirmed by full recomputation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def confirm(cheap: Floats, whole: Floats, thresholds: Floats) -> tuple[Bools, Bools]:
    """Applies the engine's rule to scores that are there already.

    An answer turns to yes where both scores reach the threshold, and stays one for as long as the
    cheap one does: see :class:`~costream.engine.confirmation.ConfirmingFeed`. That a stream is
    computed anew where the scores are far apart is left out.

    Args:
        cheap: scores of pruning and reuse: [windows, questions].
        whole: those of full recomputation, of the same windows.
        thresholds: [questions].

    Returns:
        Which answers are told as a yes, and which of them full recomputation was asked for: both
        [windows, questions].
    """
    reached, upheld = cheap >= thresholds, whole >= thresholds
    yes, asked = np.zeros_like(reached), np.zeros_like(reached)
    before: Bools = np.zeros(reached.shape[1], np.bool_)
    for number in range(len(reached)):
        asked[number] = reached[number] & ~before
        before = yes[number] = reached[number] & (before | upheld[number])
    return yes, asked
