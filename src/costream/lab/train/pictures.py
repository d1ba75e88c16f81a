"""What the vision encoder makes of clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from costream.lab.train.clips import Clip
from costream.lab.train.precision import autocast
from costream.lab.train.view import View
from costream.models import EncodeJob, FrameGeometry, ModelAdapter, VisualTokens
from costream.video import Picture

Viewed = tuple[Clip, Sequence[int], View | None]
"""A clip, numbers of its temporal patches, and how it is looked at: as it is, where None."""


def encode_patches(
    model: ModelAdapter, geometry: FrameGeometry, viewed: Sequence[Viewed]
) -> list[VisualTokens]:
    """Encodes temporal patches of clips whole, in one pass: with gradients, where they are on."""
    jobs = [job for clip, numbers, view in viewed
            for job in _read(model, geometry, clip, numbers, view)]  # fmt: skip
    with autocast(model.kv_shape.device):
        return model.encode(jobs)


def _read(
    model: ModelAdapter,
    geometry: FrameGeometry,
    clip: Clip,
    numbers: Sequence[int],
    view: View | None,
) -> list[EncodeJob]:
    length = model.temporal_patch
    frames = np.concatenate([clip.frames[n * length : (n + 1) * length] for n in numbers])
    if view is not None:
        frames = view.frames(frames)
    pictures = [Picture.from_rgb(frame) for frame in frames]
    whole = np.ones(geometry.grid.groups, np.bool_)
    patches = [
        model.preprocessing.patches(pictures[at : at + length], whole, geometry)
        for at in range(0, len(pictures), length)
    ]
    return [EncodeJob(torch.from_numpy(cut), torch.from_numpy(whole), geometry) for cut in patches]
