"""The contract of a preprocessing: what becomes of pictures before a model sees them.

A preprocessing holds numbers and no weights. It can be pickled and handed to a process that has
neither a model nor torch: what it cuts there, a model encodes elsewhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from costream.errors import SettingsError
from costream.preprocessing.cut import cut_pictures
from costream.pruning import PatchGrid
from costream.video import Picture, Polygon, touched

Mask = npt.NDArray[np.bool_]
Patches = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FrameGeometry:
    """How frames are cut for the vision encoder.

    Attributes:
        grid: patches and merge groups of one temporal patch.
        width: width in pixels that a frame is resized to.
        height: height in pixels that a frame is resized to.
    """

    grid: PatchGrid
    width: int
    height: int


@dataclass(frozen=True)
class Preprocessing(ABC):
    """The published preprocessing of one checkpoint.

    Attributes:
        patch: side of a patch in pixels.
        merge: a group of patches that are cut together is ``merge`` x ``merge``.
        temporal_patch: frames that share one grid and become one set of visual tokens.
        mean: ``image_mean`` of red, green and blue, on the scale 0..1.
        std: ``image_std``, on the scale 0..1.
        context: most visual tokens of a window, where the model has such a bound.
    """

    patch: int
    merge: int
    temporal_patch: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    context: int | None

    @abstractmethod
    def geometry(
        self, width: int, height: int, frames: int, size: tuple[int, int] | None
    ) -> FrameGeometry:
        """Returns how pictures of ``width`` x ``height`` are cut, by the published preprocessing.

        Args:
            width: displayed width of the stream, in pixels.
            height: displayed height of the stream, in pixels.
            frames: frames in a window, which may share a pixel budget.
            size: (width, height) to resize to instead.

        Raises:
            SettingsError: ``size`` does not fit the patch grid, or the window the model's context.
            SourceError: the pictures are over 200 times as long one way as the other.
        """

    @abstractmethod
    def nearest_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Returns the frame size that fits the model and is next to another: (width, height)."""

    def patches(self, pictures: Sequence[Picture], kept: Mask, geometry: FrameGeometry) -> Patches:
        """Returns the patches of the kept merge groups of one temporal patch, as 8-bit values.

        Frames are resized as published, to the bit, but only where something is kept. Patches come
        group by group, as the encoder's merger takes them; the values of a patch run over channel,
        time, row and column.

        Args:
            pictures: one to ``temporal_patch`` frames; a missing last one repeats its predecessor.
            kept: bool [groups].
            geometry: how they are cut.

        Returns:
            uint8 [kept patches, values].
        """
        return cut_pictures(
            pictures,
            self.cut_mask(kept, geometry),
            size=(geometry.width, geometry.height),
            patch=self.patch,
            merge=self.merge,
            times=self.temporal_patch,
        )

    def cut_mask(self, kept: Mask, geometry: FrameGeometry) -> Mask:
        """Returns which groups of patches are cut for kept merge groups: bool [rows, cols].

        Args:
            kept: bool [groups].
            geometry: how frames are cut.
        """
        return kept.reshape(geometry.grid.group_shape)

    def touched(self, polygon: Polygon, geometry: FrameGeometry) -> Mask:
        """Returns which merge groups are made of pixels that a polygon touches: bool [groups].

        Args:
            polygon: in shares of the displayed picture.
            geometry: how frames are cut.
        """
        return touched(polygon, geometry.grid.group_shape).reshape(-1)

    def check_length(self, tokens: int) -> None:
        """Checks that a window of that many visual tokens is one that the model was made for.

        Raises:
            SettingsError: it is longer.
        """
        if self.context is not None and tokens > self.context:
            raise SettingsError(
                f"a window takes {tokens} visual tokens and this model at most {self.context}: "
                "shorten the window, lower the sampling rate or choose smaller frames"
            )
