"""Kept patches of frames, resized as published preprocessing resizes whole ones."""

import numpy as np
import numpy.typing as npt

class Cutter:
    """Resizes and cuts frames of one size. Threads may share it."""

    def __init__(
        self,
        in_width: int,
        in_height: int,
        out_width: int,
        out_height: int,
        patch: int,
        merge: int,
        portable: bool = False,
    ) -> None:
        """Computes the weights.

        Args:
            in_width: of the frames, in pixels.
            in_height: of the frames, in pixels.
            out_width: that frames are resized to.
            out_height: that frames are resized to.
            patch: side of a patch in pixels.
            merge: a merge group is merge x merge patches.
            portable: do without the machine's vector instructions; the values are the same.
        """
    def cut(
        self,
        frame: npt.NDArray[np.uint8],
        groups: npt.NDArray[np.bool_],
        patches: npt.NDArray[np.uint8],
        time: int,
    ) -> None:
        """Write the kept groups of a frame into patches, at one of their times.

        Args:
            frame: [height, width, 3], RGB, with any strides.
            groups: [rows, columns], the groups that are kept.
            patches: [kept patches, 3 x times x patch x patch].
            time: which of the times.

        Raises:
            ValueError: the sizes don't fit each other.
        """
    @property
    def portable(self) -> bool:
        """Whether it does without the machine's vector instructions."""
