"""Motion compensation as H.264 has it, to prove vectors by what a decoder makes of them."""

from collections.abc import Mapping

import numpy as np

MARGIN = 24
"""Samples around a picture that its interpolated planes have: beyond, they are all alike."""


def _tap(plane: np.ndarray, axis: int) -> np.ndarray:
    """The six-tap filter halfway between each sample and the next one along ``axis``, unscaled."""
    at = [np.roll(plane, 2 - k, axis) for k in range(6)]
    return at[0] + at[5] - 5 * (at[1] + at[4]) + 20 * (at[2] + at[3])


def half_planes(luma: np.ndarray) -> dict[str, np.ndarray]:
    """Whole samples and those halfway to the right, down and both (8.4.2.2.1), with margins."""
    whole = np.pad(luma.astype(np.int32), MARGIN, "edge")
    across, down = _tap(whole, 1), _tap(whole, 0)
    return {
        "whole": whole,
        "right": np.clip((across + 16) >> 5, 0, 255),
        "down": np.clip((down + 16) >> 5, 0, 255),
        "both": np.clip((_tap(across, 0) + 512) >> 10, 0, 255),
    }


# By fraction (x, y) in quarters: the two samples that a position is the mean of, each a plane and
# how many samples further right and down.
_MEANS = {
    (0, 0): (("whole", 0, 0), ("whole", 0, 0)),
    (1, 0): (("whole", 0, 0), ("right", 0, 0)),
    (2, 0): (("right", 0, 0), ("right", 0, 0)),
    (3, 0): (("right", 0, 0), ("whole", 1, 0)),
    (0, 1): (("whole", 0, 0), ("down", 0, 0)),
    (1, 1): (("right", 0, 0), ("down", 0, 0)),
    (2, 1): (("right", 0, 0), ("both", 0, 0)),
    (3, 1): (("right", 0, 0), ("down", 1, 0)),
    (0, 2): (("down", 0, 0), ("down", 0, 0)),
    (1, 2): (("down", 0, 0), ("both", 0, 0)),
    (2, 2): (("both", 0, 0), ("both", 0, 0)),
    (3, 2): (("both", 0, 0), ("down", 1, 0)),
    (0, 3): (("down", 0, 0), ("whole", 0, 1)),
    (1, 3): (("down", 0, 0), ("right", 0, 1)),
    (2, 3): (("both", 0, 0), ("right", 0, 1)),
    (3, 3): (("down", 1, 0), ("right", 0, 1)),
}


def _interpolate(planes: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Blocks [blocks, 4, 4] whose upper left corners are at x, y in quarters of a sample."""
    height, width = planes["whole"].shape
    result = np.empty((len(x), 4, 4), np.int32)
    for fraction, means in _MEANS.items():
        chosen = np.flatnonzero((x & 3 == fraction[0]) & (y & 3 == fraction[1]))
        total = np.ones((len(chosen), 4, 4), np.int32)
        for plane, right, down in means:
            # Three samples of the border are wrong, since the filter wraps around there.
            rows = ((y[chosen] >> 2) + MARGIN + down)[:, None] + np.arange(4)
            columns = ((x[chosen] >> 2) + MARGIN + right)[:, None] + np.arange(4)
            rows, columns = np.clip(rows, 3, height - 4), np.clip(columns, 3, width - 4)
            total += planes[plane][rows[:, :, None], columns[:, None, :]]
        result[chosen] = total >> 1
    return result


def predict(
    motion: np.ndarray,
    reference: np.ndarray,
    orders: list[int],
    planes: Mapping[int, dict[str, np.ndarray]],
    blocks: np.ndarray,
) -> np.ndarray:
    """The predicted luma of 4x4 blocks with default weights.

    ``motion`` [rows, columns, 2, 2] and ``reference`` [rows, columns, 2] as read, ``orders`` the
    picture order counts that references point to, ``planes`` the decoded pictures' half_planes by
    picture order count, ``blocks`` [blocks, 2] their row and column. Returns int32 [blocks, 4, 4].
    """
    total = np.zeros((len(blocks), 4, 4), np.int32)
    lists = np.zeros(len(blocks), np.int32)
    row, column = blocks.T
    for at in range(2):
        index = reference[row, column, at]
        for which, order in enumerate(orders):
            chosen = np.flatnonzero(index == which)
            x, y = (motion[row, column, at][chosen].astype(np.int32) + 0).T
            x, y = x + 16 * column[chosen], y + 16 * row[chosen]
            total[chosen] += _interpolate(planes[order], x, y)
            lists[chosen] += 1
    both = (lists == 2)[:, None, None]
    return np.where(both, (total + 1) >> 1, total)
