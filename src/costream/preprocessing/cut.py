"""Kept groups of pictures as patches, by native code or, where there is none, by torch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from costream.video import Picture

if TYPE_CHECKING:
    from costream._pixels import Cutter

Pixels: TypeAlias = npt.NDArray[np.uint8]
Groups: TypeAlias = npt.NDArray[np.bool_]

Cut: TypeAlias = Callable[[Pixels, Groups, Pixels, int], None]
"""Takes a frame [height, width, 3], the kept groups [rows, cols], the patches to write to and the
index of the frame in them."""

logger = logging.getLogger("costream")


def cut_pictures(
    pictures: Sequence[Picture],
    groups: Groups,
    *,
    size: tuple[int, int],
    patch: int,
    merge: int,
    times: int,
) -> Pixels:
    """Resizes pictures and cuts their kept groups.

    Args:
        pictures: one to ``times`` frames; a missing last one repeats its predecessor.
        groups: bool [rows, cols], the groups that are kept.
        size: (width, height) that pictures are resized to.
        patch: side of a patch in pixels.
        merge: a group is ``merge`` x ``merge`` patches.
        times: frames of a patch.

    Returns:
        uint8 [kept patches, 3 * times * patch * patch].
    """
    count = int(groups.sum()) * merge**2
    patches = np.empty((count, 3 * times * patch**2), np.uint8)
    if not count:
        return patches
    groups = np.ascontiguousarray(groups)
    for time, picture in enumerate(pictures):
        frame = picture.rgb()
        shown = frame.shape[1], frame.shape[0]
        cut_by(shown, size, patch, merge)(frame, groups, patches, time)
    by_time = patches.reshape(count, 3, times, -1)
    by_time[:, :, len(pictures) :] = by_time[:, :, len(pictures) - 1 : len(pictures)]
    return patches


@lru_cache(maxsize=128)
def cut_by(shown: tuple[int, int], size: tuple[int, int], patch: int, merge: int) -> Cut:
    """Returns what cuts frames of one size.

    Args:
        shown: (width, height) of the frames.
        size: (width, height) that they are resized to.
        patch: side of a patch in pixels.
        merge: a group is ``merge`` x ``merge`` patches.
    """
    native = _native()
    if native is not None:
        return native(*shown, *size, patch, merge).cut
    from costream.preprocessing.reference import ReferenceCutter

    return ReferenceCutter(size, patch, merge).cut


@cache
def _native() -> type[Cutter] | None:
    try:
        from costream import _pixels
    except ImportError:
        logger.warning(
            "this installation has no native preprocessing: torch resizes whole frames, which is "
            "slower (install with a C++ compiler to build it)"
        )
        return None
    return _pixels.Cutter
