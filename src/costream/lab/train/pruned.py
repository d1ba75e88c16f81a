"""What pruning leaves of a window to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from costream.lab.train.pictures import Kept
from costream.lab.train.view import Frames
from costream.pruning.base import PatchGrid
from costream.pruning.blocks import SUB_BLOCKS, in_groups

LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue."""

Blocks = npt.NDArray[np.float32]
"""Mean luma of a temporal patch's sub-blocks: [frames, group rows, group cols, sub-blocks]."""


def look_at_blocks(frames: Frames, grid: PatchGrid) -> list[Blocks]:
    """Returns what the rule looks at.

    Args:
        frames: uint8 [patches, length, height, width, 3], with sides that sub-blocks divide.
        grid: how frames are cut.
    """
    rows, cols = (SUB_BLOCKS * side for side in grid.group_shape)
    height, width = frames.shape[2:4]
    cells = frames.reshape(-1, rows, height // rows, cols, width // cols, 3)
    luma = cells.mean(axis=(2, 4), dtype=np.float32) @ np.array(LUMA, np.float32)
    blocks = np.stack([in_groups(picture, grid) for picture in luma])
    return list(blocks.reshape(*frames.shape[:2], *blocks.shape[1:]))


def prune(blocks: Sequence[Blocks], threshold: float) -> list[Kept]:
    """Keeps the first temporal patch whole, and of each other what differs from what was last kept.

    It is what ``last-kept`` does with a picture whose light and camera stay as they are. At least
    one group of every patch stays.

    Args:
        blocks: of each temporal patch.
        threshold: steps of 255 by which a sub-block has to differ.

    Returns:
        bool [groups] for each patch.
    """
    reference = blocks[0][-1].copy()
    kept = [np.ones(reference.shape[0] * reference.shape[1], np.bool_)]
    for looked in blocks[1:]:
        gaps = np.abs(looked - reference).max(axis=(0, 3))
        changed = gaps > threshold
        if not changed.any():
            changed.flat[gaps.argmax()] = True
        reference[changed] = looked[-1][changed]
        kept.append(changed.ravel())
    return kept
