"""Our own reader of H.264 and H.265 bitstreams, where the package was built with it.

It takes vectors, prediction modes, quantisers and residual energy from the entropy-coded slices,
without reconstructing a pixel: evidence also for H.265, of which FFmpeg exports nothing, and of
what no decoder tells.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

STILL, MOVING, UNPREDICTED = 0, 1, 2
"""States of a block."""

logger = logging.getLogger("costream")


class Summary(Protocol):
    """A picture's metadata on blocks of 16 x 16 luma samples of the cropped picture, as coded.

    Attributes:
        x: float32 [rows, cols], movement to the right since the picture displayed before, in
            pixels: the mean over the block.
        y: likewise downwards.
        peak: float32 [rows, cols], the fastest part's movement, in pixels.
        state: uint8 [rows, cols], 0 still, 1 moving, 2 not predicted, at least in part.
        energy: float32 [rows, cols], sum of the magnitudes of the dequantised luma coefficients,
            for each pixel. 0 where no coefficient was coded.
        quantiser: float32 [rows, cols], in the codec's own steps.
    """

    x: Floats
    y: Floats
    peak: Floats
    state: npt.NDArray[np.uint8]
    energy: Floats
    quantiser: Floats


class Picture(Protocol):
    """What the bitstream says of one coded picture. Arrays lie on the coded picture's 4 x 4 blocks.

    Attributes:
        type: ``"I"``, ``"P"`` or ``"B"``: the most general of its slices.
        packet: number of the packet that it came in.
        order: picture order count.
        key: a decoder can start here.
        is_reference: other pictures may be predicted from it.
        bits: of its slices.
        width: of the cropped picture, in pixels.
        height: likewise.
        crop_left: pixels of the coded picture left of the cropped one.
        crop_top: likewise above.
        columns: of the coded picture's 4 x 4 blocks.
        rows: likewise.
        motion: int16 [rows, cols, 2, 2], vectors by list, (x, y) in quarters of a pixel, from the
            block to what it is predicted from.
        reference: int8 [rows, cols, 2], indices into ``references``, -1 where a list is not
            used.
        mode: uint8 [rows, cols]: 0 not coded, 1 skipped, 2 inter, 3 intra.
        quantiser: int8 [rows, cols].
        energy: uint32 [rows, cols].
        references: picture order counts.
        slices: those that were read to their very end.
        unsupported: what the others needed, or ``"damaged"``.
    """

    type: str
    packet: int
    order: int
    key: bool
    is_reference: bool
    bits: int
    width: int
    height: int
    crop_left: int
    crop_top: int
    columns: int
    rows: int
    motion: npt.NDArray[np.int16]
    reference: npt.NDArray[np.int8]
    mode: npt.NDArray[np.uint8]
    quantiser: npt.NDArray[np.int8]
    energy: npt.NDArray[np.uint32]
    references: list[int]
    slices: int
    unsupported: list[str]

    def summary(self, step: int) -> Summary:
        """Sums the picture up on blocks of 16 x 16 pixels.

        Args:
            step: distance in picture order count to the picture displayed before.
        """
        ...


class Reader(Protocol):
    """Reads the packets of one stream, in decoding order."""

    def configure(self, extradata: bytes) -> None:
        """Takes parameter sets from outside the packets: avcC, hvcC, Annex B, or nothing."""
        ...

    def read(self, packet: bytes, number: int) -> list[Picture]:
        """Reads the pictures of a packet, which they are told to be the ``number``-th."""
        ...

    def reset(self) -> None:
        """Forgets all pictures, as after a seek; parameter sets stay."""
        ...


@cache
def _native() -> Any:
    try:
        from costream import _bitstream
    except ImportError:
        logger.warning(
            "this installation has no bitstream reader: evidence comes from FFmpeg alone, which "
            "has none of H.265 (install with a C++ compiler to build it)"
        )
        return None
    return _bitstream


def open_reader(codec: str, extradata: bytes | None) -> Reader | None:
    """Returns a reader for a stream, or None where there is none for its codec.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: what the container says of the stream, if anything.
    """
    if codec not in ("h264", "hevc") or (native := _native()) is None:
        return None
    reader: Reader = native.H264Reader() if codec == "h264" else native.H265Reader()
    reader.configure(extradata or b"")
    return reader
