"""What the vision encoder makes of the clips: with gradients, or kept once it rests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from costream.models import FrameGeometry, ModelAdapter, VisualTokens
from costream.train.clips import Clip
from costream.video import Picture

Augment = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]


def read_patches(
    model: ModelAdapter,
    geometry: FrameGeometry,
    clip: Clip,
    numbers: Sequence[int],
    augment: Augment | None = None,
) -> list[tuple[Tensor, Tensor]]:
    """Reads temporal patches of a clip for the encoder, whole.

    Args:
        model: the model.
        geometry: how frames are cut.
        clip: the clip.
        numbers: which temporal patches.
        augment: changes the frames of all of them alike, uint8 [frames, height, width, 3].

    Returns:
        What :meth:`ModelAdapter.encode` takes.
    """
    length = model.temporal_patch
    frames = np.concatenate([clip.frames[n * length : (n + 1) * length] for n in numbers])
    if augment is not None:
        frames = augment(frames)
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


def draw_augment(draw: np.random.Generator) -> Augment:
    """Draws a change of brightness, contrast and colour, and of the sensor's noise."""
    gain = draw.uniform(0.75, 1.3) * draw.uniform(0.93, 1.07, 3)
    offset, noise = draw.uniform(-18, 18), draw.uniform(0, 3)

    def augment(frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        grain = draw.standard_normal(frames.shape[:3], dtype=np.float32)[..., None]
        changed = frames * gain.astype(np.float32) + np.float32(offset) + np.float32(noise) * grain
        clipped: npt.NDArray[np.uint8] = np.clip(changed, 0, 255).astype(np.uint8)
        return clipped

    return augment
