"""The published preprocessing by torch: for installations without native code, and for tests.

Resizing is the tensor operation that torchvision itself calls for 8-bit images (antialiased
bicubic, rounded to 8 bits), so the result is the published one to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class ReferenceCutter:
    """Resizes whole frames and cuts kept groups.

    Attributes:
        size: (width, height) that frames are resized to.
        patch: side of a patch in pixels.
        merge: a group is ``merge`` x ``merge`` patches.
    """

    size: tuple[int, int]
    patch: int
    merge: int

    def cut(
        self,
        frame: npt.NDArray[np.uint8],
        groups: npt.NDArray[np.bool_],
        patches: npt.NDArray[np.uint8],
        time: int,
    ) -> None:
        """Writes the kept groups of a frame.

        Args:
            frame: uint8 [height, width, 3].
            groups: bool [rows, cols].
            patches: uint8 [kept patches, 3 * times * patch * patch].
            time: which of the times is written.
        """
        # A copy: torch takes no frame that is mirrored by its strides.
        pixels = torch.from_numpy(frame.copy()).permute(2, 0, 1).contiguous()
        rows, cols = groups.shape
        side = self.patch * self.merge
        resized = resize(pixels, *self.size)[:, : rows * side, : cols * side]
        kept = torch.from_numpy(groups.reshape(-1)).repeat_interleave(self.merge**2)
        cut = patchify(resized[None], self.patch, self.merge)[kept]
        area = self.patch**2
        times = patches.shape[1] // (3 * area)
        by_time = patches.reshape(len(patches), 3, times, area)
        by_time[:, :, time] = cut.reshape(len(patches), 3, area).numpy()


def resize(frame: Tensor, width: int, height: int) -> Tensor:
    """Resizes uint8 [3, height, width] as torchvision does for 8-bit tensors."""
    if frame.shape[-2:] == (height, width):
        return frame
    return torch.nn.functional.interpolate(
        frame[None], size=(height, width), mode="bicubic", align_corners=False, antialias=True
    )[0]


def patchify(frames: Tensor, patch: int, merge: int) -> Tensor:
    """Cuts frames: [T, 3, height, width] to [patches, values].

    Patches of a merge group follow each other; values run over channel, time, row, column.
    """
    time, channels, height, width = frames.shape
    rows, cols = height // (patch * merge), width // (patch * merge)
    cut = frames.reshape(time, channels, rows, merge, patch, cols, merge, patch)
    # [rows, cols, merge row, merge col, channel, time, patch row, patch col]
    cut = cut.permute(2, 5, 3, 6, 1, 0, 4, 7)
    return cut.reshape(rows * cols * merge * merge, channels * time * patch * patch)
