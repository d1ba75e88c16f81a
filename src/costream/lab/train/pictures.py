"""What the vision encoder makes of clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from costream.lab.train.clips import Clip
from costream.lab.train.precision import autocast
from costream.lab.train.view import View
from costream.models import EncodeJob, FrameGeometry, ModelAdapter, VisualTokens
from costream.video import Picture

Kept = npt.NDArray[np.bool_]
"""bool [groups]: the merge groups of a temporal patch that are encoded."""

Viewed = tuple[Clip, Sequence[int], View | None]
"""A clip, numbers of its temporal patches, and how it is looked at: as it is, where None."""


def encode_patches(
    model: ModelAdapter,
    geometry: FrameGeometry,
    viewed: Sequence[Viewed],
    kept: Sequence[Kept] | None = None,
) -> list[VisualTokens]:
    """Encodes temporal patches of clips in one pass: with gradients, where they are on.

    Args:
        model: the model.
        geometry: how frames are cut.
        viewed: the temporal patches.
        kept: bool [groups] for each of them, the merge groups that are encoded; all where None.
    """
    patches = [patch for clip, numbers, view in viewed
               for patch in _read(model, clip, numbers, view)]  # fmt: skip
    if kept is None:
        kept = [np.ones(geometry.grid.groups, np.bool_)] * len(patches)
    jobs = [_cut(model, geometry, *job) for job in zip(patches, kept, strict=True)]
    with autocast(model.kv_shape.device):
        return model.encode(jobs)


def _read(
    model: ModelAdapter, clip: Clip, numbers: Sequence[int], view: View | None
) -> list[list[Picture]]:
    length = model.temporal_patch
    frames = np.concatenate([clip.frames[n * length : (n + 1) * length] for n in numbers])
    if view is not None:
        frames = view.frames(frames)
    pictures = [Picture.from_rgb(frame) for frame in frames]
    return [pictures[at : at + length] for at in range(0, len(pictures), length)]


def _cut(
    model: ModelAdapter, geometry: FrameGeometry, pictures: Sequence[Picture], kept: Kept
) -> EncodeJob:
    cut = model.preprocessing.patches(pictures, kept, geometry)
    return EncodeJob(torch.from_numpy(cut), torch.from_numpy(kept), geometry)
