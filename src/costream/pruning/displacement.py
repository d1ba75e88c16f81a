"""How far the whole picture has moved between two moments, and a picture moved back by as much."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from costream.pruning.lighting import Luma
from costream.video.picture import Pixels

BANDS = 4
"""Strips into which a picture is cut, so that what moves in one spoils no other's profile."""

_STEEPEST = 1e-6
_TRIM = 2.0
_ROUNDING = 0.5


@dataclass(frozen=True, slots=True)
class Displacement:
    """Way of the content, in samples of the luma it was found in: right is +x, down is +y.

    ``certainty`` is 1 where moving by it makes the profiles equal, 0 where it explains nothing.
    """

    x: float
    y: float
    certainty: float

    @property
    def length(self) -> float:
        """Samples."""
        return hypot(self.x, self.y)


@dataclass(frozen=True, slots=True)
class Profiles:
    """Mean luma of a picture along the columns and the rows of its strips.

    Attributes:
        columns: float32 [BANDS, picture columns], the means of horizontal strips.
        rows: float32 [BANDS, picture rows], the means of upright strips.
    """

    columns: Luma
    rows: Luma

    @classmethod
    def of(cls, luma: Pixels) -> Profiles:
        """Takes the profiles of a picture whose sides are multiples of ``BANDS``."""
        rows, cols = luma.shape
        across = luma.reshape(BANDS, rows // BANDS, cols).mean(axis=1, dtype=np.float32)
        down = luma.reshape(rows, BANDS, cols // BANDS).mean(axis=2, dtype=np.float32)
        return cls(across, np.ascontiguousarray(down.T))

    def displacement(self, now: Profiles, reach: int) -> Displacement:
        """Finds how far the content moved from here to ``now``, by at most ``reach`` samples.

        No further than a quarter of the picture either. Whole samples by the least mean difference
        of the profiles' slopes, to which light means little; the fraction by least squares on the
        profiles (Lucas and Kanade, 1981), without what differs by far more than the rest, such as
        who walks through a strip.
        """
        x, left, still = _along(self.columns, now.columns, reach)
        y, lower, unmoved = _along(self.rows, now.rows, reach)
        before = still + unmoved
        return Displacement(x, y, 1 - (left + lower) / before if before > 0 else 0.0)


def steadied(luma: Pixels, displacement: Displacement, shape: tuple[int, int]) -> Luma:
    """Moves a picture back by ``displacement`` and shrinks it, float32 of ``shape``.

    Each value is the exact mean over the area it covers, samples taken as flat squares. What lies
    beyond the edge is taken to be as the edge.

    Args:
        luma: the picture; its sides are multiples of those of ``shape``.
        displacement: in samples of ``luma``.
        shape: rows and columns of the result.
    """
    tall = _area_weights(luma.shape[0], shape[0], displacement.y)
    wide = _area_weights(luma.shape[1], shape[1], displacement.x)
    moved: Luma = tall @ luma.astype(np.float32) @ wide.T
    return moved


def _along(before: Luma, now: Luma, reach: int) -> tuple[float, float, float]:
    """Returns the way along one side, and how far the slopes differ moved by it, and unmoved."""
    reach = min(reach, before.shape[1] // 4)
    inner = slice(reach, before.shape[1] - reach)
    slopes = np.gradient(before, axis=1)[:, inner]
    windows = sliding_window_view(np.gradient(now, axis=1), slopes.shape[1], axis=1)
    apart = np.abs(windows - slopes[:, None]).mean(axis=(0, 2))
    best = int(apart.argmin())
    moved = now[:, best : best + slopes.shape[1]]
    way = best - reach + _fraction(before[:, inner], moved)
    return way, float(apart[best]), float(apart[reach])


def _fraction(before: Luma, now: Luma) -> float:
    slope = (np.gradient(before, axis=1) + np.gradient(now, axis=1)) / 2
    gap = now - before
    gap -= np.median(gap)
    usual = np.abs(gap) <= _TRIM * np.median(np.abs(gap)) + _ROUNDING
    steep = float((slope[usual] ** 2).sum())
    if steep < _STEEPEST:
        return 0.0
    return float(np.clip(-(slope[usual] * gap[usual]).sum() / steep, -1, 1))


def _area_weights(samples: int, cells: int, offset: float) -> Luma:
    """Share of each sample in each cell, [cells, samples], of cells that start at ``offset``."""
    side = samples // cells
    start = np.arange(cells)[:, None] * side + offset
    edge = np.arange(samples)
    inside = np.minimum(edge + 1, start + side) - np.maximum(edge, start)
    weights = np.maximum(inside, 0)
    weights[:, 0] += np.clip(-start[:, 0], 0, side)
    weights[:, -1] += np.clip(start[:, 0] + side - samples, 0, side)
    shares: Luma = (weights / side).astype(np.float32)
    return shares
