"""Motion, modes, QPs and residual energy from the bits of a video stream."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

class Summary:
    """A picture's metadata on blocks of 16x16 luma samples of the cropped picture, as coded."""

    @property
    def x(self) -> npt.NDArray[np.float32]:
        """[rows, columns]: movement to the right since the picture displayed before, in samples."""
    @property
    def y(self) -> npt.NDArray[np.float32]:
        """[rows, columns]: likewise downwards."""
    @property
    def peak(self) -> npt.NDArray[np.float32]:
        """[rows, columns]: the fastest 4x4 block's movement, in samples."""
    @property
    def state(self) -> npt.NDArray[np.uint8]:
        """[rows, columns]: 0 still, 1 moving, 2 not predicted, at least in part."""
    @property
    def energy(self) -> npt.NDArray[np.float32]:
        """[rows, columns]: sum of |dequantised luma coefficient| a sample."""
    @property
    def qp(self) -> npt.NDArray[np.float32]:
        """[rows, columns]: mean luma QP."""

class Picture:
    """What the bits of one coded picture tell, by 4x4 block.

    The arrays view memory of the picture and are read-only.
    """

    @property
    def type(self) -> str:
        """'I', 'P' or 'B': the most general of its slices."""
    @property
    def packet(self) -> int:
        """Number of the packet that it came in."""
    @property
    def order(self) -> int:
        """Picture order count."""
    @property
    def key(self) -> bool:
        """Whether a decoder can start here."""
    @property
    def field(self) -> bool:
        """Whether it's one field of an interlaced frame."""
    @property
    def is_reference(self) -> bool:
        """Whether others may be predicted from it."""
    @property
    def bits(self) -> int:
        """Size of its slices."""
    @property
    def width(self) -> int:
        """Of the cropped picture, in luma samples."""
    @property
    def height(self) -> int:
        """Of the cropped picture, in luma samples."""
    @property
    def crop_left(self) -> int:
        """Luma samples left of the cropped picture."""
    @property
    def crop_top(self) -> int:
        """Luma samples above the cropped picture."""
    @property
    def columns(self) -> int:
        """Width of the coded picture in 4x4 blocks."""
    @property
    def rows(self) -> int:
        """Height of the coded picture in 4x4 blocks."""
    @property
    def motion(self) -> npt.NDArray[np.int16]:
        """[rows, columns, 2, 2]: vectors by list as x, y in quarters of a luma sample."""
    @property
    def reference(self) -> npt.NDArray[np.int8]:
        """[rows, columns, 2]: by list, which of `references`; -1 where none."""
    @property
    def mode(self) -> npt.NDArray[np.uint8]:
        """[rows, columns]: 0 not coded, 1 skip, 2 inter, 3 intra."""
    @property
    def qp(self) -> npt.NDArray[np.int8]:
        """[rows, columns]: luma QP."""
    @property
    def energy(self) -> npt.NDArray[np.uint32]:
        """[rows, columns]: sum of |dequantised luma coefficient|; 0 where none was coded."""
    @property
    def references(self) -> list[int]:
        """Picture order counts that `reference` points to."""
    @property
    def slices(self) -> int:
        """Slice segments that were read to their very end."""
    @property
    def unsupported(self) -> list[str]:
        """What the others needed, or 'damaged'."""

    def summary(
        self, step: int, block: int = 16, scale: tuple[float, float] = (1.0, 1.0)
    ) -> Summary:
        """Sums the picture up, `step` picture order counts after the one displayed before.

        `block` is the side of the blocks that are summed up, in luma samples: 4, 8 or 16, else
        ValueError. `scale` is how many pixels a sample is wide and high where it is displayed:
        movement is in those.
        """

class Tracker:
    """Follows the mean luma of a decoded picture's blocks through others that are not decoded."""

    def see(self, luma: npt.NDArray[np.uint8], step: float, limit: float) -> float:
        """A picture is sampled by a rule that keeps what has changed by more than a step.

        That is: 8x8 samples whose mean differs by more from what it was when they were kept last.
        Returns like `difference`, but from the picture at which what is seen came to rest: this one
        if it differs by more than the limit. It is inf where none of this size was seen before.
        """
    def start(self, luma: npt.NDArray[np.uint8]) -> None:
        """What follows is compared with a picture, [height, width] with contiguous rows."""
    def restart(self, luma: npt.NDArray[np.uint8]) -> None:
        """Go on from a later picture, decoded; what follows is compared as before."""
    def change(self, luma: npt.NDArray[np.uint8]) -> float:
        """Like `difference`, of a decoded picture; inf where it is not of the first one's size."""
    def carry(self) -> None:
        """Go on behind an intra picture that is taken to look like the one before."""
    @property
    def difference(self) -> float:
        """Largest difference of the mean of 8x8 samples by now; inf: not known.

        It is the step of `see` at least where what was kept last differs by more.
        """
    @property
    def lit(self) -> float:
        """By how much the light changed from the picture seen before to the one seen last.

        It is the mean of all cells but those of which more changed; inf: most changed by more than
        a step.
        """
    @property
    def worst(self) -> float:
        """Largest one after any picture since the last decoded one; inf: not known."""
    @property
    def deltas(self) -> npt.NDArray[np.float32]:
        """[rows, columns]: by how much means of 4x4 differ from the last decoded picture's."""

class H265Reader:
    """Reads H.265. One thread at a time; `read` lets others run meanwhile."""

    def configure(self, extradata: bytes) -> None:
        """Take the stream's parameter sets: hvcC, Annex B, or empty bytes."""
    def read(self, packet: bytes, number: int) -> list[Picture]:
        """The pictures of a packet, in decoding order."""
    def track(self, packets: Sequence[bytes], tracker: Tracker, limit: float) -> None:
        """Tell a tracker of packets of predicted pictures, until it saw more than the limit."""
    def reset(self) -> None:
        """Forget the pictures read so far, to go on elsewhere."""

class H264Reader:
    """Reads H.264. One thread at a time; `read` lets others run meanwhile."""

    def configure(self, extradata: bytes) -> None:
        """Take the stream's parameter sets: avcC, Annex B, or empty bytes."""
    def read(self, packet: bytes, number: int) -> list[Picture]:
        """The pictures of a packet, in decoding order."""
    def track(self, packets: Sequence[bytes], tracker: Tracker, limit: float) -> None:
        """Tell a tracker of packets of predicted pictures, until it saw more than the limit."""
    def reset(self) -> None:
        """Forget the pictures read so far, to go on elsewhere."""
