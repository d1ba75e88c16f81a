"""What the vision encoder makes of the clips: with gradients, or kept once it rests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from costream.models import FrameGeometry, ModelAdapter, VisualTokens
from costream.train.clips import Clip
from costream.train.view import View
from costream.video import Picture


def read_patches(
    model: ModelAdapter,
    geometry: FrameGeometry,
    clip: Clip,
    numbers: Sequence[int],
    view: View | None = None,
) -> list[tuple[Tensor, Tensor]]:
    """Reads temporal patches of a clip for the encoder, whole.

    Args:
        model: the model.
        geometry: how frames are cut.
        clip: the clip.
        numbers: which temporal patches.
        view: how it is looked at; as it is where there is none.

    Returns:
        What :meth:`ModelAdapter.encode` takes.
    """
    length = model.temporal_patch
    frames = np.concatenate([clip.frames[n * length : (n + 1) * length] for n in numbers])
    if view is not None:
        frames = view.frames(frames)
    pictures = [Picture.from_rgb(frame) for frame in frames]
    whole = torch.ones(geometry.grid.groups, dtype=torch.bool)
    starts = range(0, len(pictures), length)
    return [(model.pixels(pictures[at : at + length], geometry), whole) for at in starts]


@dataclass(frozen=True, slots=True)
class Features:
    """All temporal patches of a clip, encoded: bfloat16, half as large as they were.

    Attributes:
        embeds: [patches, groups, hidden].
        deepstack: [patches, levels, groups, hidden].
    """

    embeds: Tensor
    deepstack: Tensor

    def tokens(self, number: int) -> VisualTokens:
        """Returns those of one temporal patch."""
        return VisualTokens(self.embeds[number].float(), self.deepstack[number].float())


@torch.no_grad()
def encode_clip(model: ModelAdapter, geometry: FrameGeometry, clip: Clip) -> Features:
    """Encodes a whole clip, to be kept."""
    numbers = range(len(clip.frames) // model.temporal_patch)
    with torch.autocast(model.kv_shape.device.type, torch.bfloat16):
        tokens = model.encode(read_patches(model, geometry, clip, numbers), geometry)
    return Features(
        torch.stack([t.embeds for t in tokens]).bfloat16(),
        torch.stack([t.deepstack for t in tokens]).bfloat16(),
    )
