"""How finely a merge group is looked at."""

from __future__ import annotations

import numpy as np

from costream.pruning.base import PatchGrid
from costream.pruning.lighting import Luma
from costream.video.picture import Pixels

SUB_BLOCKS = 4
"""Sub-blocks along each side of a merge group whose mean luma is compared."""


def in_groups(luma: Luma | Pixels, grid: PatchGrid) -> Luma:
    """Sorts a picture of sub-blocks by merge groups.

    Args:
        luma: [4 x group rows, 4 x group cols].
        grid: says how many groups there are.

    Returns:
        float32 [group rows, group cols, 16].
    """
    rows, cols = grid.group_shape
    groups = luma.reshape(rows, SUB_BLOCKS, cols, SUB_BLOCKS).swapaxes(1, 2)
    return groups.reshape(rows, cols, -1).astype(np.float32)
