"""Other views of the same clip: cropped, mirrored, in another light and other colours."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from costream.lab.synth import Box, Truth
from costream.lab.train.clips import Clip

Frames = npt.NDArray[np.uint8]

ROADS = ("street", "car_park")
"""Scenes that are never mirrored: traffic keeps to the right."""

RECOLOURED = 0.35
"""Share of the views with red, green and blue exchanged; never where something burns."""


@dataclass(frozen=True, slots=True)
class View:
    """A view of a clip, the same for all of its frames.

    Attributes:
        left: left edge of the crop, as a share of the picture's width.
        top: top edge, as a share of its height.
        share: width and height of the crop, as shares of the picture's.
        mirrored: whether left and right are exchanged.
        order: where red, green and blue come from.
        gain: factors of red, green and blue.
        offset: what is added to them, in steps of 255.
        noise: standard deviation of further noise, in steps of 255.
        seed: of the noise.
    """

    left: float
    top: float
    share: float
    mirrored: bool
    order: tuple[int, ...]
    gain: tuple[float, ...]
    offset: float
    noise: float
    seed: int

    def frames(self, frames: Frames) -> Frames:
        """Returns the view of frames, uint8 [frames, height, width, 3], in their size."""
        height, width = frames.shape[1:3]
        rows = slice(round(self.top * height), round((self.top + self.share) * height))
        cols = slice(round(self.left * width), round((self.left + self.share) * width))
        cut = torch.from_numpy(frames)[:, rows, cols]
        pixels = torch.stack([cut[..., colour] for colour in self.order], dim=1).float()
        lit = functional.interpolate(pixels, (height, width), mode="bilinear")
        lit = lit.flip(3) if self.mirrored else lit
        source = torch.Generator().manual_seed(self.seed)
        grain = torch.randn(len(frames), 1, height, width, generator=source)
        # In place: memory that is touched for the first time costs more than the arithmetic.
        lit.mul_(torch.tensor(self.gain)[:, None, None]).add_(self.offset)
        lit.add_(grain, alpha=self.noise).clamp_(0, 255)
        return lit.to(torch.uint8).permute(0, 2, 3, 1).numpy()

    def truth(self, truth: Truth, size: tuple[int, int]) -> Truth:
        """Returns what the view shows of a frame's truth.

        Args:
            truth: of the whole frame.
            size: (width, height) of the picture its boxes are in.
        """
        boxes = (self._box(box, size) for box in truth.boxes)
        return replace(truth, boxes=tuple(box for box in boxes if box is not None))

    def place(self, place: tuple[float, float]) -> tuple[float, float]:
        """Returns where the view shows a place of the frame, both in shares of width and height.

        A place that the view leaves out lies outside of 0 to 1.
        """
        across, down = (place[0] - self.left) / self.share, (place[1] - self.top) / self.share
        return (1 - across if self.mirrored else across), down

    def _box(self, box: Box, size: tuple[int, int]) -> Box | None:
        (width, height), scale = size, 1 / self.share
        left, right = ((x - self.left * width) * scale for x in (box.left, box.right))
        top, bottom = ((y - self.top * height) * scale for y in (box.top, box.bottom))
        across, down = (speed * scale for speed in box.velocity)
        if self.mirrored:
            left, right, across = width - right, width - left, -across
        seen = replace(
            box,
            left=max(0, round(left)),
            top=max(0, round(top)),
            right=min(width, round(right)),
            bottom=min(height, round(bottom)),
            velocity=(across, down),
        )
        return seen if seen.right > seen.left and seen.bottom > seen.top else None


def draw_view(clip: Clip, draw: np.random.Generator, tightest: float) -> View:
    """Draws a view of a clip that keeps what the clip tells.

    Args:
        clip: the clip.
        draw: the source of chance.
        tightest: smallest share of the picture's sides that is left.
    """
    share = float(draw.uniform(tightest, 1))
    burning = any(event.kind == "fire" for event in clip.events)
    exchanged = not burning and draw.random() < RECOLOURED
    return View(
        left=float(draw.uniform(0, 1 - share)),
        top=float(draw.uniform(0, 1 - share)),
        share=share,
        mirrored=clip.scene not in ROADS and bool(draw.random() < 0.5),
        order=tuple(draw.permutation(3).tolist()) if exchanged else (0, 1, 2),
        gain=tuple((draw.uniform(0.75, 1.3) * draw.uniform(0.9, 1.1, 3)).tolist()),
        offset=float(draw.uniform(-18, 18)),
        noise=float(draw.uniform(0, 3)),
        seed=int(draw.integers(1 << 31)),
    )
