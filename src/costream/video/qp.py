"""How coarsely the blocks of a frame were quantised, as far as the decoder tells."""

from __future__ import annotations

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.encparams import VideoEncParams

from costream.video.sample import BLOCK, grid
from costream.video.side_data import side_data

_WORDS = 5
"""Words of a block: src_x, src_y, w, h, delta_qp."""

_DELTA = 4

QPs = npt.NDArray[np.int32]


def read_qp(frame: av.VideoFrame, corner: tuple[int, int] = (0, 0)) -> QPs | None:
    """Returns the QP of every macroblock, as coded, or None.

    H.264, MPEG-4 part 2, MPEG-2, MPEG-1, H.263 and FLV give them, measured with FFmpeg 8.1. VP9
    gives one for the whole frame, and blocks only where it segments: it is not read. H.265, VP8,
    AV1 and MJPEG give nothing. PyAV's own ``qp_map`` takes as long as decoding, block by block.

    Args:
        frame: decoded with :data:`~costream.video.vectors.EXPORT_OPTIONS`.
        corner: samples of the coded picture left of and above the frame.

    Returns:
        int32 [rows, cols] of the 16 x 16 blocks that cover the picture, in the codec's own steps: 0
        to 51 for H.264, where 6 more double the step; 2 to 62, twice the quantiser
        scale, for the others.
    """
    exported = side_data(frame, "VIDEO_ENC_PARAMS")
    if not isinstance(exported, VideoEncParams) or not exported.nb_blocks:
        return None
    words = _words(exported)[exported.blocks_offset // 4 :]
    blocks = words[: exported.nb_blocks * _WORDS].reshape(-1, _WORDS)
    # Macroblocks of what is cropped off are among them.
    across = int(blocks[-1, 0]) // BLOCK + 1
    rows, cols = _centres(frame, corner)
    if len(blocks) % across or len(blocks) // across <= rows[-1] or across <= cols[-1]:
        return None
    found: QPs = blocks[:, _DELTA].reshape(-1, across)[np.ix_(rows, cols)] + exported.qp
    return found


def _centres(frame: av.VideoFrame, corner: tuple[int, int]) -> tuple[QPs, QPs]:
    """Returns the rows and columns of the macroblocks in the middle of the frame's blocks."""
    rows, cols = grid(frame.height, frame.width)
    down = np.minimum(np.arange(rows) * BLOCK + BLOCK // 2, frame.height - 1) + corner[1]
    across = np.minimum(np.arange(cols) * BLOCK + BLOCK // 2, frame.width - 1) + corner[0]
    return (down // BLOCK).astype(np.int32), (across // BLOCK).astype(np.int32)


def _words(exported: VideoEncParams) -> QPs:
    return np.frombuffer(memoryview(exported), np.int32)  # type: ignore[arg-type]  # it is a buffer
