"""Smooth chance over a surface: what keeps painted walls and floors from being flat."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.floating[Any]]


def value_noise(x: Field, y: Field, draw: np.random.Generator, period: int = 64) -> Field:
    """Smooth noise of about -1..1, bilinear between random values on a lattice of whole numbers.

    Args:
        x: position across, of any shape.
        y: position along, of the same shape.
        draw: where chance comes from.
        period: after how many lattice points the noise repeats.
    """
    lattice = draw.uniform(-1, 1, (period, period)).astype(np.float32)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = x - left, y - top
    left, right = left % period, (left + 1) % period
    above = lattice[top % period, left] * (1 - fx) + lattice[top % period, right] * fx
    below = lattice[(top + 1) % period, left] * (1 - fx) + lattice[(top + 1) % period, right] * fx
    noise: Field = above * (1 - fy) + below * fy
    return noise
