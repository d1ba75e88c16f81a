"""What the codec's evidence says over a whole stream, in a few figures."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from costream.video import Sample


class EvidenceTally:
    """Sums up the evidence of samples."""

    def __init__(self) -> None:
        """Starts without a sample."""
        self._qps: list[float] = []
        self._moved: list[bool] = []

    def add(self, samples: Sequence[Sample]) -> None:
        """Takes the next samples."""
        for sample in samples:
            change = sample.change
            if not np.isnan(change.qp).all():
                self._qps.append(float(np.nanmean(change.qp)))
            if shift := change.camera():
                self._moved.append(shift.moved)

    @property
    def qp(self) -> float | None:
        """Mean QP, in the codec's own steps, or None where it tells none."""
        return fmean(self._qps) if self._qps else None

    @property
    def camera_moved(self) -> float | None:
        """Share of the samples in which the camera moved, or None where vectors tell nothing."""
        return fmean(self._moved) if self._moved else None
