"""A surveillance camera over a synthetic world and its ground truth, by index."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sin

import numpy as np
import numpy.typing as npt

from costream.errors import SettingsError
from costream.lab.synth.chapter import AROUND, CHAPTER, draw_chapters, furniture_for, write_plot
from costream.lab.synth.events import EVENT_KINDS, EventKind
from costream.lab.synth.grain import Grain
from costream.lab.synth.ground import Ground
from costream.lab.synth.light import LightChange, drift_of
from costream.lab.synth.plot import Plot
from costream.lab.synth.site import SceneKind, draw_site, scenes_for
from costream.lab.synth.stage import Stage
from costream.lab.synth.story import LASTING
from costream.lab.synth.truth import Event, Truth

Pixels = npt.NDArray[np.uint8]


class WorldCamera:
    """A fixed camera over a street, shop, hall, car park or dark corridor.

    Everything follows from the seed. Any frame can be asked for, in any order. A video with an
    event begins quietly; other things go on in every video, among them such as resemble events.

    Args:
        seed: picks the place, the cast and all chance. Not negative.
        scene: kind of place, one of :data:`~costream.lab.synth.site.SCENE_KINDS`; by default drawn.
        event: what happens: one of :data:`~costream.lab.synth.events.EVENT_KINDS`, or several, one
            after the other, or None. Among several, None is a stretch without an event.
        pretend: kinds of event of which something similar but harmless happens, for every event;
            by default drawn.
        lasting: seconds that every event lasts, of those kinds that may last long:
            :data:`~costream.lab.synth.story.LASTING`; by default drawn.
        seconds: length of the video.
        width: pixels, even.
        height: pixels, even.
        fps: frames a second.
        noise: standard deviation of the sensor's noise in steps of 255; by default the place's.
        shake: largest shift of the picture by a loose mount, in pixels; by default 0, or a few
            pixels in one of seven videos.
        lights: changes of the light, on top of slow waves; by default none, or one that passes in
            three of ten videos.
        passers: people pass by, and vehicles, that belong to nothing that happens.

    Raises:
        SettingsError: a value is out of range, or an event can't happen in such a place.
    """

    def __init__(
        self,
        seed: int,
        *,
        scene: SceneKind | None = None,
        event: EventKind | Sequence[EventKind | None] | None = None,
        pretend: tuple[EventKind, ...] | None = None,
        lasting: float | None = None,
        seconds: float = 40.0,
        width: int = 448,
        height: int = 256,
        fps: float = 25.0,
        noise: float | None = None,
        shake: float | None = None,
        lights: Sequence[LightChange] | None = None,
        passers: bool = True,
    ) -> None:
        _check(seed, event, seconds, width, height, fps)
        draw = np.random.default_rng((seed, 11))
        kinds = (event,) if event is None or isinstance(event, str) else tuple(event)
        _check_lasting(lasting, kinds, seconds)
        fitting = scenes_for(kinds)
        drawn = fitting[int(draw.integers(len(fitting)))] if fitting else None
        self.seed, self.width, self.height, self.fps = seed, width, height, fps
        self.seconds, self.frames = seconds, max(1, round(seconds * fps))
        self.scene: SceneKind = _checked_scene(scene or drawn, fitting)
        chapters = draw_chapters(draw, kinds, pretend)
        self.site = site = draw_site(draw, self.scene, furniture_for(chapters))
        loose = float(draw.uniform(1.5, 3.5)) if draw.random() < 1 / 7 else 0.0
        self.shake = loose if shake is None else shake
        self.noise = site.noise if noise is None else noise
        self._drift = float(draw.uniform(0.01, 0.04))
        drawn_lights = _draw_lights(draw, seconds)
        self._lights = drawn_lights if lights is None else tuple(lights)
        self._grain = Grain(seed, (width, height), self.noise)
        plot = Plot(
            Ground(width, height), site, seconds, np.random.default_rng((seed, 13)), lasting
        )
        write_plot(plot, chapters, passers=passers)
        self._stage = Stage(plot, np.random.default_rng((seed, 12)))
        self.events: tuple[Event, ...] = tuple(plot.events)

    def frame(self, index: int) -> Pixels:
        """Renders frame ``index``, counted from 0: uint8 [height, width, 3], red first."""
        pixels = np.asarray(self._stage.picture(index / self.fps))
        if self.shake:
            pixels = self._shaken(pixels, index)
        canvas = pixels * np.float32(self.light(index))
        canvas += self._grain.at(index)
        np.clip(canvas, 0, 255, out=canvas)
        return canvas.astype(np.uint8)

    def clean(self, index: int) -> Pixels:
        """Renders frame ``index`` in even light, without noise and from a firm mount.

        Two clean frames differ only where the content of the scene does.

        Returns:
            uint8 [height, width, 3], red first.
        """
        return np.array(self._stage.picture(index / self.fps))

    def changed(self, first: int, second: int, threshold: int = 6) -> npt.NDArray[np.bool_]:
        """Where the content of two frames differs.

        Args:
            first: index of a frame.
            second: index of the other.
            threshold: smallest difference of a channel that counts, in steps of 255.

        Returns:
            bool [height, width].
        """
        one, other = self.clean(first).astype(np.int16), self.clean(second).astype(np.int16)
        differing: npt.NDArray[np.bool_] = (np.abs(one - other) >= threshold).any(axis=-1)
        return differing

    def light(self, index: int) -> float:
        """Returns how bright the light is in frame ``index``: 1 is that of :meth:`clean`."""
        time = index / self.fps
        slow = drift_of(time, self.seed)
        return (1 + self._drift * slow) * prod(change.at(time) for change in self._lights)

    def truth(self, index: int) -> Truth:
        """Returns what is to be seen in frame ``index``."""
        time = index / self.fps
        going = tuple(event for event in self.events if event.start <= time < event.end)
        return Truth(time, self._stage.boxes(time), going)

    def _shaken(self, pixels: Pixels, index: int) -> Pixels:
        time = index / self.fps
        sway = (sin(3.1 * time + self.seed) + sin(7.7 * time)) / 2
        nod = (sin(2.3 * time + 1) + sin(8.9 * time + self.seed)) / 2
        rows = np.clip(np.arange(self.height) + round(self.shake * nod), 0, self.height - 1)
        cols = np.clip(np.arange(self.width) + round(self.shake * sway), 0, self.width - 1)
        return pixels[rows][:, cols]


def _draw_lights(draw: np.random.Generator, seconds: float) -> tuple[LightChange, ...]:
    """Now and then a lamp is switched or a cloud passes."""
    if draw.random() > 0.3:
        return ()
    start, gain = float(draw.uniform(3, max(4, seconds - 8))), float(draw.uniform(0.78, 0.92))
    slow = float(draw.choice((0.0, 3.0)))
    back = LightChange(start + float(draw.uniform(3, 12)), slow, 1 / gain)
    return LightChange(start, slow, gain), back


def _check(
    seed: int,
    event: EventKind | Sequence[EventKind | None] | None,
    seconds: float,
    width: int,
    height: int,
    fps: float,
) -> None:
    kinds = () if event is None else (event,) if isinstance(event, str) else tuple(event)
    if min(width, height) < 32 or width % 2 or height % 2:
        raise SettingsError(f"{width} x {height} pixels won't do: use even sides of 32 or more")
    if seed < 0 or fps <= 0:
        raise SettingsError("seed must not be negative, fps must be positive")
    if seconds < max(1.0, CHAPTER * len(kinds)):
        raise SettingsError(
            f"a video takes a second or more, and {CHAPTER:g} seconds or more for every event"
        )
    for kind in kinds:
        if kind is not None and kind not in EVENT_KINDS:
            raise SettingsError(f"unknown event {kind!r}: use one of {', '.join(EVENT_KINDS)}")


def _check_lasting(
    lasting: float | None, kinds: Sequence[EventKind | None], seconds: float
) -> None:
    if lasting is None:
        return
    if not lasting > 0 or not set(kinds) <= set(LASTING):
        raise SettingsError(f"only {', '.join(LASTING)} can last as long as is wanted")
    if seconds < (lasting + AROUND) * len(kinds):
        raise SettingsError(
            f"an event that lasts {lasting:g} s takes a video of {lasting + AROUND:g} s or more"
        )


def _checked_scene(scene: SceneKind | None, fitting: tuple[SceneKind, ...]) -> SceneKind:
    if scene is None:
        raise SettingsError("no place suits all of these events: cars and exhibits never meet")
    if scene not in fitting:
        raise SettingsError(f"that can't happen in {scene!r}: use one of {', '.join(fitting)}")
    return scene
