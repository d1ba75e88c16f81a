"""A camera that does not stand still: the synthetic hall seen through a window that moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from costream.lab.synth import SyntheticCamera

MARGIN = 48
Aim = Sequence[tuple[int, int]]


def aimed(camera: SyntheticCamera, aim: Aim, start: int = 0) -> Iterator[np.ndarray]:
    """Yields the camera's frames from ``start`` on, cut out ``aim`` pixels right and down."""
    for index, (x, y) in enumerate(aim, start):
        yield cut(camera.frame(index), x, y)


def cut(picture: np.ndarray, x: int, y: int) -> np.ndarray:
    height, width = picture.shape[0] - 2 * MARGIN, picture.shape[1] - 2 * MARGIN
    top, left = MARGIN + y, MARGIN + x
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def shaking(count: int, pixels: int) -> Aim:
    """A way that jumps by up to ``pixels`` to either side, at rest in the first frame."""
    steps = np.random.default_rng(5).integers(-pixels, pixels + 1, (count, 2))
    steps[0] = 0
    return [(int(x), int(y)) for x, y in steps]
