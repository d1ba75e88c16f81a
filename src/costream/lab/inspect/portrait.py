"""A picture of one moment: the frame, the evidence, the decision, and how old what is known is."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, hypot, log1p

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from costream.pruning import KeepMask
from costream.video.sample import BLOCK, TOLD, Sample

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

PANEL = 560
MARGIN = 24
GAP = 16
HEAD = 46
FOOT = 40
FINE = 2
"""Lines are drawn this much larger and scaled down, so that they come out smooth."""

BACKGROUND: Colour = (17, 19, 24)
BRIGHT: Colour = (232, 235, 240)
QUIET: Colour = (146, 152, 164)
ACCENT: Colour = (94, 214, 182)
HEAT = np.array(
    [(26, 20, 60), (98, 38, 132), (206, 62, 98), (252, 146, 66), (255, 240, 170)], np.float32
)
"""Colours of motion, from none to :data:`HOTTEST`."""

HOTTEST = 16.0
"""Pixels a frame at which motion is drawn hottest."""

STARKEST = 64.0
"""Luma steps, of 255, at which a difference is drawn hottest."""

AGES = np.array([(94, 214, 182), (52, 128, 190), (58, 62, 150), (38, 24, 72)], np.float32)
"""Colours of age, from what was just kept to what is as old as anything may be."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """A temporal patch and what a pruner kept of it.

    Attributes:
        samples: the frames of the temporal patch; the last one is shown.
        mask: what is kept.
        age: float32 [group rows, group cols], seconds since each group was last kept; 0 for those
            kept now.
        difference: float32 [group rows, group cols], luma steps of 255 by which the last frame
            differed, in the sub-block that differs most, from what was kept before.
        oldest: seconds that a group can be old at most.
    """

    samples: tuple[Sample, ...]
    mask: KeepMask
    age: npt.NDArray[np.float32]
    difference: npt.NDArray[np.float32]
    oldest: float

    @property
    def share(self) -> float:
        """Share of the groups that is kept."""
        return self.mask.kept / self.mask.groups.size

    def draw(self, heading: str) -> Image.Image:
        """Draws four panels, two by two: frame and evidence, kept groups and their age.

        The evidence is the codec's motion, or the difference in luma where there is none.
        """
        pixels = self.samples[-1].picture.rgb()
        frame = Image.fromarray(pixels)
        frame = frame.resize(_panel_size(*frame.size), Image.Resampling.LANCZOS)
        panels = [
            (frame, "Frame", f"at {self.samples[-1].time:.1f} s"),
            self._evidence(frame),
            (self._kept(frame), "Kept", self._kept_words()),
            (self._aged(frame), "Age", self._age_words()),
        ]
        return _compose(panels, heading)

    def _peak(self) -> npt.NDArray[np.float32]:
        peak: npt.NDArray[np.float32] = np.maximum.reduce([one.change.peak for one in self.samples])
        return peak

    def _blind(self) -> bool:
        return any(one.change.motion not in TOLD for one in self.samples)

    def _evidence(self, frame: Image.Image) -> tuple[Image.Image, str, str]:
        if self._blind():
            return self._differing(frame), "Difference", self._difference_words()
        return self._motion(frame), "Motion", self._motion_words()

    def _differing(self, frame: Image.Image) -> Image.Image:
        heat = Image.fromarray(_heat(np.clip(self.difference / STARKEST, 0, 1)))
        canvas = _dimmed(frame, 0.55).convert("RGBA")
        canvas.alpha_composite(heat.resize(frame.size, Image.Resampling.NEAREST))
        return canvas.convert("RGB")

    def _motion(self, frame: Image.Image) -> Image.Image:
        dim = _dimmed(frame, 0.55)
        picture = self.samples[-1].picture
        strength = np.log1p(self._peak()) / log1p(HOTTEST)
        colours = _heat(np.clip(strength, 0, 1))
        # Blocks reach over the edge of a picture whose sides are no multiples of theirs.
        fine = (frame.width * FINE, frame.height * FINE)
        inside = (0, 0, picture.width / BLOCK, picture.height / BLOCK)
        heat = Image.fromarray(colours).resize(fine, Image.Resampling.NEAREST, box=inside)
        canvas = dim.resize(fine, Image.Resampling.BILINEAR).convert("RGBA")
        canvas.alpha_composite(heat)
        self._arrows(canvas)
        return canvas.convert("RGB").resize(frame.size, Image.Resampling.LANCZOS)

    def _arrows(self, canvas: Image.Image) -> None:
        drift = np.sum([one.change.drift for one in self.samples], axis=0)
        drift = drift / max(1, sum(one.change.frames for one in self.samples))
        pen = ImageDraw.Draw(canvas)
        side = BLOCK * canvas.width / self.samples[-1].picture.width
        step = max(1, ceil(11 * FINE / side))
        for row in range(step // 2, drift.shape[0], step):
            for col in range(step // 2, drift.shape[1], step):
                _arrow(pen, (col + 0.5) * side, (row + 0.5) * side, drift[row, col], step * side)

    def _kept(self, frame: Image.Image) -> Image.Image:
        rows, cols = self.mask.groups.shape
        fine = frame.resize((frame.width * FINE, frame.height * FINE), Image.Resampling.BILINEAR)
        keep = Image.fromarray(self.mask.groups.astype(np.uint8) * 255)
        cover = keep.resize(fine.size, Image.Resampling.NEAREST)
        canvas = Image.composite(fine, _dimmed(fine, 0.34), cover)
        pen = ImageDraw.Draw(canvas)
        wide, tall = fine.width / cols, fine.height / rows
        for line in _outline(self.mask.groups):
            pen.line([(x * wide, y * tall) for x, y in line], ACCENT, width=2 * FINE)
        return canvas.resize(frame.size, Image.Resampling.LANCZOS)

    def _aged(self, frame: Image.Image) -> Image.Image:
        stops = np.linspace(0, 1, len(AGES))
        share = np.clip(self.age / self.oldest, 0, 1)
        channels = [np.interp(share, stops, AGES[:, channel]) for channel in range(3)]
        colours = Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))
        tint = colours.resize(frame.size, Image.Resampling.NEAREST)
        return Image.blend(frame.convert("L").convert("RGB"), tint, 0.62)

    def _difference_words(self) -> str:
        return f"no vectors; luma differs by up to {self.difference.max():.0f} steps"

    def _motion_words(self) -> str:
        frames = sum(one.change.frames for one in self.samples)
        said = f"over {frames} frames, up to {self._peak().max():.0f} px/frame"
        camera = self.samples[-1].change.camera()
        if camera is None or not camera.moved:
            return said
        return f"{said}, camera {camera.length:.0f} px"

    def _age_words(self) -> str:
        return f"up to {self.age.max():.0f} s; green is just kept, violet {self.oldest:.0f} s ago"

    def _kept_words(self) -> str:
        whole = f", anchor: {self.mask.anchor}" if self.mask.anchor else ""
        known = self.mask.scene and self.mask.scene != self.mask.anchor
        scene = f", {self.mask.scene}" if known else ""
        return f"{self.mask.kept} of {self.mask.groups.size} tokens, {self.share:.0%}{whole}{scene}"


def _compose(panels: list[tuple[Image.Image, str, str]], heading: str) -> Image.Image:
    width, height = panels[0][0].size
    down = HEAD + height
    # Video encoders want even sides.
    size = _even(2 * MARGIN + 2 * width + GAP), _even(2 * down + FOOT)
    sheet = Image.new("RGB", size, BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    title, small = ImageFont.load_default(20), ImageFont.load_default(15)
    for position, (panel, name, words) in enumerate(panels):
        left = MARGIN + position % 2 * (width + GAP)
        top = HEAD + position // 2 * down
        sheet.paste(panel, (left, top))
        pen.text((left, top - 14), name, BRIGHT, font=title, anchor="ls")
        after = left + pen.textlength(name, font=title) + 12
        pen.text((after, top - 14), words, QUIET, font=small, anchor="ls")
    pen.text((MARGIN, 2 * down + 25), heading, QUIET, font=small, anchor="ls")
    return sheet


def _panel_size(width: int, height: int) -> tuple[int, int]:
    """Fits a picture into a panel that is twice as high as it is wide."""
    scale = min(PANEL / width, 2 * PANEL / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _even(side: int) -> int:
    return side + side % 2


def _dimmed(frame: Image.Image, light: float) -> Image.Image:
    """The frame in grey, darkened towards the background."""
    grey = frame.convert("L").convert("RGB")
    return Image.blend(Image.new("RGB", frame.size, BACKGROUND), grey, light)


def _heat(strength: npt.NDArray[np.float32]) -> Pixels:
    """Colours for motion of 0..1: uint8 [rows, cols, 4], clear where there is none."""
    stops = np.linspace(0, 1, len(HEAT))
    channels = [np.interp(strength, stops, HEAT[:, channel]) for channel in range(3)]
    opacity = 225 * np.clip(1.7 * strength, 0, 1)
    return np.stack([*channels, opacity], axis=-1).astype(np.uint8)


def _arrow(
    pen: ImageDraw.ImageDraw, x: float, y: float, vector: npt.NDArray[np.float32], room: float
) -> None:
    """Draws where a block goes: a line from a dot, at most ``room`` long."""
    dx, dy = float(vector[0]), float(vector[1])
    speed = hypot(dx, dy)
    if speed < 0.5:
        return
    length = room * min(1.0, 0.35 + 0.16 * speed)
    end = (x + length * dx / speed, y + length * dy / speed)
    pen.line([(x, y), end], (255, 255, 255, 235), width=FINE + 1)
    pen.circle((x, y), FINE + 0.5, (255, 255, 255, 255))


def _outline(groups: npt.NDArray[np.bool_]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Edges between kept and dropped groups, in corners of the grid (column, row)."""
    framed = np.pad(groups, 1, mode="edge")
    below = np.argwhere(framed[:-1, 1:-1] != framed[1:, 1:-1])
    beside = np.argwhere(framed[1:-1, :-1] != framed[1:-1, 1:])
    lines = [((int(col), int(row)), (int(col) + 1, int(row))) for row, col in below]
    return lines + [((int(col), int(row)), (int(col), int(row) + 1)) for row, col in beside]
