"""Block fields on the patch grid: two grids over one picture that seldom line up."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from costream.video.sample import BLOCK

Scalar = TypeVar("Scalar", bound=np.generic)
Index = npt.NDArray[np.intp]


def pool_max(
    field: npt.NDArray[Scalar], picture: tuple[int, int], cells: tuple[int, int]
) -> npt.NDArray[Scalar]:
    """Takes, for every cell of a grid, the maximum over all blocks that overlap it.

    The whole picture is stretched onto the grid, so a cell may cover many blocks or a part of
    one; sharing only an edge is no overlap. A merge group's maximum is that of its patches, so
    pooling straight to groups gives what pooling to patches and then to groups would.
    Formula: the paper's v4, "max over all blocks that overlap the patch".

    Args:
        field: [block rows, block cols] of a :class:`~costream.video.sample.ChangeMap`; for a bool
            field the maximum means "any".
        picture: height and width of the picture, in pixels.
        cells: rows and columns of the target grid (patches or merge groups).

    Returns:
        [rows, cols], of the field's type.

    Raises:
        ValueError: the field's shape is not the picture's in blocks.
    """
    _check(field, picture)
    rows = overlaps(picture[0], cells[0])
    cols = overlaps(picture[1], cells[1])
    tall: npt.NDArray[Scalar] = field[rows].max(axis=1)
    pooled: npt.NDArray[Scalar] = tall[:, cols].max(axis=2)
    return pooled


def pick_centre(
    field: npt.NDArray[Scalar], picture: tuple[int, int], cells: tuple[int, int]
) -> npt.NDArray[Scalar]:
    """Takes, for every cell of a grid, the one block that covers the cell's centre.

    Arguments, result and errors are those of :func:`pool_max`.
    """
    _check(field, picture)
    return field[np.ix_(centres(picture[0], cells[0]), centres(picture[1], cells[1]))]


@lru_cache(maxsize=64)
def overlaps(length: int, cells: int) -> Index:
    """Which blocks overlap each cell along one side of the picture.

    Args:
        length: side of the picture in pixels.
        cells: cells along that side.

    Returns:
        intp [cells, widest], read-only. Rows with fewer blocks than the widest repeat their last.
    """
    edges = np.arange(cells + 1) * length
    first = edges[:-1] // (cells * BLOCK)
    last = -(-edges[1:] // (cells * BLOCK)) - 1
    widest = int((last - first).max()) + 1
    return _frozen(np.minimum(first[:, None] + np.arange(widest), last[:, None]))


@lru_cache(maxsize=64)
def centres(length: int, cells: int) -> Index:
    """Which block covers the centre of each cell along one side: intp [cells], read-only."""
    return _frozen((2 * np.arange(cells) + 1) * length // (2 * cells * BLOCK))


def _frozen(index: npt.NDArray[np.signedinteger]) -> Index:
    table = index.astype(np.intp)
    table.flags.writeable = False
    return table


def _check(field: npt.NDArray[Scalar], picture: tuple[int, int]) -> None:
    blocks = (-(-picture[0] // BLOCK), -(-picture[1] // BLOCK))
    if field.shape != blocks:
        raise ValueError(f"a picture of {picture} has {blocks} blocks, the field {field.shape}")
