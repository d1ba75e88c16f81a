"""What the vision encoder makes of clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from costream.lab.train.clips import Clip
from costream.lab.train.precision import autocast
from costream.lab.train.recipe import Recipe
from costream.lab.train.view import Frames, View
from costream.models import EncodeJob, FrameGeometry, ModelAdapter, VisualTokens
from costream.video import Picture

Kept = npt.NDArray[np.bool_]
"""bool [groups]: the merge groups of a temporal patch that are encoded."""

Viewed = tuple[Clip, Sequence[int], View | None]
"""A clip, numbers of its temporal patches, and how it is looked at: as it is, where None."""


def frame_geometry(model: ModelAdapter, recipe: Recipe) -> FrameGeometry:
    """Returns how a model cuts the frames of a run's clips."""
    frames = round(recipe.window * recipe.fps)
    return model.geometry(448, 256, frames, recipe.frame_size)


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
    return encode_frames(model, geometry, view_frames(viewed, model.temporal_patch), kept)


def view_frames(viewed: Sequence[Viewed], length: int) -> Frames:
    """Returns the frames of temporal patches as they are looked at.

    Args:
        viewed: the temporal patches.
        length: frames of each.

    Returns:
        uint8 [patches, length, height, width, 3].
    """
    parts = []
    for clip, numbers, view in viewed:
        frames = np.concatenate([clip.frames[n * length : (n + 1) * length] for n in numbers])
        parts.append(frames if view is None else view.frames(frames))
    joined = np.concatenate(parts)
    return joined.reshape(-1, length, *joined.shape[1:])


def encode_frames(
    model: ModelAdapter,
    geometry: FrameGeometry,
    frames: Frames,
    kept: Sequence[Kept] | None = None,
) -> list[VisualTokens]:
    """As :func:`encode_patches`, of frames uint8 [patches, length, height, width, 3]."""
    if kept is None:
        kept = [np.ones(geometry.grid.groups, np.bool_)] * len(frames)
    jobs = [_cut(model, geometry, *job) for job in zip(frames, kept, strict=True)]
    with autocast(model.kv_shape.device):
        return model.encode(jobs)


def _cut(model: ModelAdapter, geometry: FrameGeometry, frames: Frames, kept: Kept) -> EncodeJob:
    pictures = [Picture.from_rgb(frame) for frame in frames]
    cut = model.preprocessing.patches(pictures, kept, geometry)
    return EncodeJob(torch.from_numpy(cut), torch.from_numpy(kept), geometry)
