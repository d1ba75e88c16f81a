"""What the default rule makes of a camera that shakes or pans, on the synthetic hall.

    python scripts/camera_motion.py

The hall is filmed larger than the picture, and the picture is cut out along a known way. Each row
holds the way, the share of the groups that the pixel comparison keeps, and of the default rule: the
share kept between whole frames, recall and precision, whole frames, and what it recognised.

What really changed is judged on pictures rendered without noise and cut out where the rule takes
the camera to be: where it last kept a whole frame if it says ``shake``, else where it is.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from costream.lab.evaluate.signal import GRID, SignalSetup, compare_pixels
from costream.lab.synth import EncoderSettings, SyntheticCamera, encode
from costream.pruning import DEFAULT_PRUNER, PRUNERS, PrunerSettings
from costream.video import Picture, Sample, Stream

FPS, FRAMES, MARGIN, SEED = 12.5, 500, 48, 7
WIDTH, HEIGHT = 640, 360
DIFFERENCE, NEARLY_WHOLE = 8.0, 0.6

Way = npt.NDArray[np.intp]
Looks = npt.NDArray[np.float32]


def ways() -> Iterator[tuple[str, Way]]:
    """Yields names and ways in pixels, [FRAMES, 2]."""
    draw = np.random.default_rng(SEED)
    still = np.zeros((FRAMES, 2), np.intp)
    yield "still", still
    for pixels in (1, 2, 4, 8):
        yield f"shake, {pixels} px", draw.integers(-pixels, pixels + 1, (FRAMES, 2))
    shaken = draw.integers(-4, 5, (FRAMES, 2))
    now_and_then = (np.arange(FRAMES) // 100 % 2 == 1)[:, None]
    yield "shake, 4 px, now and then", np.where(now_and_then, shaken, 0)
    for swings in (1, 4):
        pan = still.copy()
        pan[:, 0] = MARGIN * np.sin(2 * np.pi * swings * np.arange(FRAMES) / FRAMES)
        yield f"pan, {swings}x to and fro", pan


class Hall:
    """The hall, seen through a picture that can be aimed."""

    def __init__(self) -> None:
        """Starts with the camera of the seed."""
        size = {"width": WIDTH + 2 * MARGIN, "height": HEIGHT + 2 * MARGIN}
        self.camera = SyntheticCamera(SEED, fps=FPS, every=8.0, **size)

    def film(self, way: Way, path: Path) -> list[Sample]:
        """Encodes the hall along a way; returns what is sampled of it."""
        frames = (self._cut(self.camera.frame(index), way[index]) for index in range(FRAMES))
        encode(frames, path, fps=FPS, settings=EncoderSettings())
        with Stream(path, motion=False, decode="all") as stream:
            return list(stream.samples(2))

    def look(self, index: int, aim: Way) -> Looks:
        """Returns the true sub-blocks of a frame, [group rows, 4, group cols, 4]."""
        rows, cols = GRID.group_shape
        picture = Picture.from_rgb(self._cut(self.camera.clean(index), aim))
        luma = picture.luma(4 * rows, 4 * cols).astype(np.float32)
        return luma.reshape(rows, 4, cols, 4)

    def _cut(self, picture: npt.NDArray[np.uint8], aim: Way) -> npt.NDArray[np.uint8]:
        x, y = MARGIN + aim
        return np.ascontiguousarray(picture[y : y + HEIGHT, x : x + WIDTH])


def measure(hall: Hall, way: Way, path: Path) -> str:
    """Films the hall along a way and returns the row's figures."""
    samples = hall.film(way, path)
    pruner = PRUNERS[DEFAULT_PRUNER](GRID, PrunerSettings(anchor_every=80))
    seen, origin = hall.look(0, way[0]), way[0]
    scenes, counts, wholes, shares = Counter[str](), Counter[str](), 0, []
    for sample in samples:
        index = round(sample.time * FPS)
        mask = pruner.decide([sample])
        scenes.update([mask.scene] if mask.scene else ())
        now = hall.look(index, origin if mask.scene == "shake" else way[index])
        if mask.anchor:
            seen, origin, wholes = hall.look(index, way[index]), way[index], wholes + 1
            continue
        light = hall.camera.light(index)
        gap = np.abs(np.minimum(now * light, 255) - np.minimum(seen * light, 255))
        changed = gap.max(axis=(1, 3)) > DIFFERENCE
        counts["hit"] += int((changed & mask.groups).sum())
        counts["missed"] += int((changed & ~mask.groups).sum())
        counts["idle"] += int((mask.groups & ~changed).sum())
        seen = np.where(mask.groups[:, None, :, None], now, seen)
        shares.append(float(mask.groups.mean()))
        if mask.scene != "shake" and shares[-1] > NEARLY_WHOLE:
            origin = way[index]
    recall = counts["hit"] / max(1, counts["hit"] + counts["missed"])
    precision = counts["hit"] / max(1, counts["hit"] + counts["idle"])
    pixels = compare_pixels(samples, SignalSetup())
    figures = f"{pixels:7.3f}{np.mean(shares):7.3f}{recall:7.3f}{precision:7.3f}{wholes:6d}"
    return f"{figures}  {dict(scenes)}"


def main() -> None:
    """Prints the table."""
    print(f"{'':28}{'pixels':>7}{'keep':>7}{'recall':>7}{'prec.':>7}{'whole':>6}")
    hall = Hall()
    with tempfile.TemporaryDirectory() as folder:
        for name, way in ways():
            print(f"{name:28}{measure(hall, way, Path(folder) / 'x.mp4')}", flush=True)


if __name__ == "__main__":
    main()
