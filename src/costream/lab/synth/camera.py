"""A surveillance camera that never was: frames and their ground truth, by index."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import numpy as np
import numpy.typing as npt

from costream.errors import SettingsError
from costream.lab.synth.figure import Limb, build_limbs, draw_limbs, draw_shadow, extent
from costream.lab.synth.ground import Ground
from costream.lab.synth.light import LightChange, drift_of
from costream.lab.synth.scene import paint_scene
from costream.lab.synth.truth import Action, Box, Event, Truth
from costream.lab.synth.visit import Timestamp, Visit, draw_visit, numbers_at

NOISE_FIELDS = 6
NOISE_MARGIN = 64
VISIBLE = 6
"""Pixels of a person's width and height from which the person counts as visible."""


class SyntheticCamera:
    """A fixed camera over a hall where people walk in, stand, now and then fall, and leave.

    Everything follows from the seed. Any frame can be asked for, in any order; the stream has no
    end. It begins with the empty hall. Somebody who falls stays down for 15 to 30 seconds.

    Args:
        seed: picks the hall, the visitors and the noise. Not negative.
        width: pixels, even.
        height: pixels, even.
        fps: frames a second.
        every: mean seconds from one visitor to the next.
        falls: share of the visitors who fall, 0..1.
        noise: standard deviation of the sensor's noise, in steps of 255.
        drift: largest relative change of the light, up or down, by its own slow waves.
        lights: changes of the whole picture's brightness that come on top of it.

    Raises:
        SettingsError: a value is out of range.

    Example:
        >>> camera = SyntheticCamera(seed=7)
        >>> camera.frame(250).shape
        (360, 640, 3)
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        width: int = 640,
        height: int = 360,
        fps: float = 25.0,
        every: float = 12.0,
        falls: float = 0.25,
        noise: float = 1.6,
        drift: float = 0.03,
        lights: Sequence[LightChange] = (),
    ) -> None:
        _check(seed, width, height, fps, every, falls, noise, drift)
        self.seed, self.width, self.height, self.fps = seed, width, height, fps
        self._ground = Ground(width, height)
        self._every, self._falls, self._drift = every, falls, drift
        self._lights = tuple(lights)
        self._scene = paint_scene(self._ground, seed)
        self._noise = _draw_noise(seed, width, height, noise)
        self._visit = lru_cache(maxsize=256)(self._draw_visit)

    def frame(self, index: int) -> npt.NDArray[np.uint8]:
        """Renders frame ``index``, counted from 0: uint8 [height, width, 3], red first."""
        time = index / self.fps
        canvas = self._render(time, self._light(time))
        canvas += self._grain(index)
        return np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)

    def clean(self, index: int) -> npt.NDArray[np.uint8]:
        """Renders frame ``index`` in even light and without the sensor's noise.

        Two clean frames differ only where the content of the scene does.

        Returns:
            uint8 [height, width, 3], red first.
        """
        canvas = self._render(index / self.fps, 1.0)
        canvas += np.float32(0.5)
        return np.clip(canvas, 0, 255, out=canvas).astype(np.uint8)

    def light(self, index: int) -> float:
        """Returns how bright the light is in frame ``index``: 1 is that of :meth:`clean`."""
        return self._light(index / self.fps)

    def truth(self, index: int) -> Truth:
        """Returns what is to be seen in frame ``index``."""
        time = index / self.fps
        boxes = tuple(box for person in self._people(time) if (box := self._box(*person)))
        return Truth(time, boxes, tuple(self.events(time, time)))

    def events(self, start: float, end: float) -> list[Event]:
        """Returns the events that touch the seconds from ``start`` to ``end``, in order."""
        numbers = range(numbers_at(start, self._every).start, numbers_at(end, self._every).stop)
        found = [
            Event("fall", visit.number, *visit.fall)
            for visit in map(self._visit, numbers)
            if visit.fall and visit.fall[0] <= end and start < visit.fall[1]
        ]
        return sorted(found, key=lambda event: event.start)

    def _draw_visit(self, number: int) -> Visit:
        return draw_visit(self._ground, self.seed, number, self._every, self._falls)

    def _people(self, time: float) -> list[tuple[Visit, Timestamp, list[Limb]]]:
        """Everyone in the hall, the farthest first."""
        visits = map(self._visit, numbers_at(time, self._every))
        present = [(visit, timestamp) for visit in visits if (timestamp := visit.at(time))]
        present.sort(key=lambda person: -person[1].z)
        return [
            (visit, timestamp, build_limbs(visit.look, timestamp.pose))
            for visit, timestamp in present
        ]

    def _box(self, visit: Visit, timestamp: Timestamp, limbs: list[Limb]) -> Box | None:
        column, row = self._ground.point(timestamp.x, timestamp.z)
        scale = self._ground.scale(timestamp.z)
        left, low, right, high = extent(limbs)
        box = Box(
            "person",
            visit.number,
            left=max(0, round(column + scale * left)),
            top=max(0, round(row - scale * high)),
            right=min(self.width, round(column + scale * right)),
            bottom=min(self.height, round(row - scale * low)),
            foot=(column, row),
            action=_action(timestamp),
        )
        seen = min(box.right - box.left, box.bottom - box.top) >= VISIBLE
        return box if seen else None

    def _render(self, time: float, light: float) -> npt.NDArray[np.float32]:
        canvas = self._scene * np.float32(light)
        for _, timestamp, limbs in self._people(time):
            foot = self._ground.point(timestamp.x, timestamp.z)
            scale = self._ground.scale(timestamp.z)
            draw_shadow(canvas, limbs, foot, scale)
            draw_limbs(canvas, limbs, foot, scale, light)
        return canvas

    def _light(self, time: float) -> float:
        """Relative brightness."""
        slow = drift_of(time, self.seed)
        return (1 + self._drift * slow) * prod(change.at(time) for change in self._lights)

    def _grain(self, index: int) -> npt.NDArray[np.float32]:
        draw = np.random.default_rng((self.seed, 3, index))
        field, top, left = draw.integers((NOISE_FIELDS, NOISE_MARGIN, NOISE_MARGIN))
        window: npt.NDArray[np.float32] = self._noise[
            field, top : top + self.height, left : left + self.width
        ]
        return window[..., None]


def _action(timestamp: Timestamp) -> Action:
    if timestamp.pose.tilt > 0.5:
        return "lie"
    return "walk" if timestamp.pose.stride else "stand"


def _draw_noise(seed: int, width: int, height: int, noise: float) -> npt.NDArray[np.float32]:
    """A stock of noise fields, larger than the picture so that each frame can shift its own."""
    draw = np.random.default_rng((seed, 4))
    shape = (NOISE_FIELDS, height + NOISE_MARGIN, width + NOISE_MARGIN)
    # Half a step more, since frames are cut off to whole numbers.
    return draw.standard_normal(shape, dtype=np.float32) * np.float32(noise) + np.float32(0.5)


def _check(
    seed: int,
    width: int,
    height: int,
    fps: float,
    every: float,
    falls: float,
    noise: float,
    drift: float,
) -> None:
    if min(width, height) < 32 or width % 2 or height % 2:
        raise SettingsError(f"{width} x {height} pixels won't do: use even sides of 32 or more")
    if seed < 0 or fps <= 0 or every <= 0 or noise < 0:
        raise SettingsError("seed and noise must not be negative, fps and every be positive")
    if not 0 <= falls <= 1 or not 0 <= drift < 1:
        raise SettingsError("falls must be a share from 0 to 1, drift from 0 to below 1")
