"""Motion compensation as the standard has it, to prove vectors by what a decoder makes of them."""

from collections.abc import Mapping

import numpy as np

# Luma interpolation filters of H.265 by fraction of a sample in quarters (table 8-11).
LUMA = np.array(
    [
        [0, 0, 0, 64, 0, 0, 0, 0],
        [-1, 4, -10, 58, 17, -5, 1, 0],
        [-1, 4, -11, 40, 40, -11, 4, -1],
        [0, 1, -5, 17, 58, -10, 4, -1],
    ],
    np.int32,
)


def interpolate(
    plane: np.ndarray, rows: np.ndarray, columns: np.ndarray, bit_depth: int
) -> np.ndarray:
    """predSamplesLX of 4x4 blocks (8.5.3.3.3) at 14 bits.

    `rows` and `columns` [blocks] are the blocks' upper left corners in `plane`, in quarters of a
    sample. Samples outside are those of the border. Returns int32 [blocks, 4, 4].
    """
    reach = np.arange(11) - 3
    y = np.clip((rows >> 2)[:, None] + reach, 0, plane.shape[0] - 1)
    x = np.clip((columns >> 2)[:, None] + reach, 0, plane.shape[1] - 1)
    patch = plane[y[:, :, None], x[:, None, :]].astype(np.int32)
    along_x = LUMA[columns & 3]
    along_y = LUMA[rows & 3]
    # A full position is shifted up by 6 bits and then counts like the others.
    wide = sum(along_x[:, None, k, None] * patch[:, :, k : k + 4] for k in range(8))
    whole_x = (columns & 3 == 0)[:, None, None]
    whole_y = (rows & 3 == 0)[:, None, None]
    shift = bit_depth - 8
    first = np.where(whole_x, patch[:, :, 3:7] << (14 - bit_depth), wide >> shift)
    second = sum(along_y[:, k, None, None] * first[:, k : k + 4] for k in range(8)) >> 6
    # Only along y: the filter works on the samples themselves, with the shift of a first pass.
    raw = patch[:, :, 3:7]
    alone = sum(along_y[:, k, None, None] * raw[:, k : k + 4] for k in range(8)) >> shift
    return np.where(whole_y, first[:, 3:7], np.where(whole_x, alone, second))


def predict(
    motion: np.ndarray,
    reference: np.ndarray,
    orders: list[int],
    planes: Mapping[int, np.ndarray],
    blocks: np.ndarray,
    bit_depth: int,
) -> np.ndarray:
    """The predicted luma of 4x4 blocks with default weights (8.5.3.3.4.2).

    `motion` [rows, columns, 2, 2] and `reference` [rows, columns, 2] as read, `orders` the picture
    order counts that references point to, `planes` the decoded luma by picture order count,
    `blocks` [blocks, 2] their row and column. Returns int32 [blocks, 4, 4].
    """
    total = np.zeros((len(blocks), 4, 4), np.int32)
    lists = np.zeros(len(blocks), np.int32)
    row, column = blocks.T
    for side in range(2):
        index = reference[row, column, side]
        for number in np.unique(index[index >= 0]):
            chosen = index == number
            vector = motion[row[chosen], column[chosen], side].astype(np.int32)
            total[chosen] += interpolate(
                planes[orders[number]],
                row[chosen] * 16 + vector[:, 1],
                column[chosen] * 16 + vector[:, 0],
                bit_depth,
            )
            lists[chosen] += 1
    assert (lists > 0).all(), "a predicted block has a reference"
    shift = (14 - bit_depth + lists - 1)[:, None, None]
    return np.clip((total + (1 << (shift - 1))) >> shift, 0, (1 << bit_depth) - 1)


def find_weight(samples: np.ndarray, actual: np.ndarray) -> tuple[int, int, int] | None:
    """The weight, its denominator's exponent and the offset that make one reference's samples
    (int32 at 14 bits) the decoded ones of 8 bits (8.5.3.3.4.3); None where there are none."""
    slope, middle = np.polyfit(samples.ravel() / 64, actual.ravel(), 1)
    for exponent in range(7, -1, -1):
        shift = exponent + 6
        for weight in np.rint(slope * 2**exponent) + np.arange(-1, 2):
            scaled = (samples * int(weight) + (1 << (shift - 1))) >> shift
            for offset in np.rint(middle) + np.arange(-2, 3):
                if (np.clip(scaled + int(offset), 0, 255) == actual).all():
                    return int(weight), exponent, int(offset)
    return None
