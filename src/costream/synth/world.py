"""A surveillance camera over a synthetic world in which at most one kind of event happens."""

from __future__ import annotations

from math import prod, sin

import numpy as np
import numpy.typing as npt
from PIL import Image

from costream.errors import SettingsError
from costream.synth.act import Spot
from costream.synth.backdrop import BEACON, paint_backdrop
from costream.synth.brush import Sketch, Tone, lay_shadow
from costream.synth.events import EVENT_KINDS, EventKind
from costream.synth.figure import build_limbs, hand_of
from costream.synth.ground import Ground
from costream.synth.light import LightChange
from costream.synth.person import Person
from costream.synth.plot import Plot
from costream.synth.pretence import PRETENCES
from costream.synth.prop import Blaze, Thing
from costream.synth.site import SceneKind, draw_site, scenes_for
from costream.synth.story import NEEDS, STORIES
from costream.synth.truth import Action, Box, Event, Label, Truth
from costream.synth.vehicle import Vehicle

Pixels = npt.NDArray[np.uint8]

QUIET = 7.0
"""Seconds before an event that are free of it."""

LENGTHS: dict[EventKind, float] = {
    "fighting": 10.0, "fall": 12.0, "panic": 9.0, "abandoned": 12.0, "stealing": 8.0,
    "intrusion": 12.0, "wrong_way": 10.0, "loitering": 20.0, "fire": 12.0,
}  # fmt: skip
"""Seconds to keep free for an event before the video ends."""

VISIBLE = 5
"""Pixels of width and height from which something counts as visible."""

NOISE_FIELDS = 4
NOISE_MARGIN = 48


class WorldCamera:
    """A fixed camera over a street, shop, hall, car park or dark corridor.

    Everything follows from the seed. Any frame can be asked for, in any order. A video with an
    event begins quietly; other things go on in every video, among them such as resemble events.

    Args:
        seed: picks the place, the cast and all chance. Not negative.
        scene: kind of place, one of :data:`~costream.synth.site.SCENE_KINDS`; by default drawn.
        event: what happens, one of :data:`~costream.synth.events.EVENT_KINDS`, or None.
        pretend: kinds of event of which something similar but harmless happens; by default drawn.
        seconds: length of the video.
        width: pixels, even.
        height: pixels, even.
        fps: frames a second.
        noise: standard deviation of the sensor's noise in steps of 255; by default the place's.
        shake: largest shift of the picture by a loose mount, in pixels; by default 0, or a few
            pixels in one of seven videos.

    Raises:
        SettingsError: a value is out of range, or the event can't happen in such a place.
    """

    def __init__(
        self,
        seed: int,
        *,
        scene: SceneKind | None = None,
        event: EventKind | None = None,
        pretend: tuple[EventKind, ...] | None = None,
        seconds: float = 40.0,
        width: int = 448,
        height: int = 256,
        fps: float = 25.0,
        noise: float | None = None,
        shake: float | None = None,
    ) -> None:
        _check(seed, scene, event, seconds, width, height, fps)
        draw = np.random.default_rng((seed, 11))
        fitting = scenes_for(event)
        drawn = fitting[int(draw.integers(len(fitting)))]
        self.seed, self.width, self.height, self.fps = seed, width, height, fps
        self.seconds, self.frames = seconds, max(1, round(seconds * fps))
        self.scene: SceneKind = scene or drawn
        self._ground = Ground(width, height)
        pretend = pretend if pretend is not None else _draw_pretences(draw, event)
        needs = frozenset(NEEDS[kind] for kind in (event, *pretend) if kind in NEEDS)
        self.site = draw_site(draw, self.scene, needs)
        loose = float(draw.uniform(1.5, 3.5)) if draw.random() < 1 / 7 else 0.0
        self.shake = loose if shake is None else shake
        self.noise = self.site.noise if noise is None else noise
        self._drift = float(draw.uniform(0.01, 0.04))
        self._lights = _draw_lights(draw, seconds)
        self._backdrop = paint_backdrop(self._ground, self.site, np.random.default_rng((seed, 12)))
        self._grains = self._draw_grains()
        self._plot = Plot(self._ground, self.site, seconds, np.random.default_rng((seed, 13)))
        _tell(self._plot, event, pretend)
        self.events: tuple[Event, ...] = tuple(self._plot.events)

    def frame(self, index: int) -> Pixels:
        """Renders frame ``index``, counted from 0: uint8 [height, width, 3], red first."""
        pixels = np.asarray(self._render(index / self.fps))
        if self.shake:
            pixels = self._shaken(pixels, index)
        canvas = pixels * np.float32(self.light(index))
        canvas += self._grain(index)
        np.clip(canvas, 0, 255, out=canvas)
        return canvas.astype(np.uint8)

    def clean(self, index: int) -> Pixels:
        """Renders frame ``index`` in even light, without noise and from a firm mount.

        Two clean frames differ only where the content of the scene does.

        Returns:
            uint8 [height, width, 3], red first.
        """
        return np.array(self._render(index / self.fps))

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
        slow = 0.7 * sin(time / 17 + self.seed) + 0.3 * sin(time / 5.3 + 2 * self.seed)
        return (1 + self._drift * slow) * prod(change.at(time) for change in self._lights)

    def truth(self, index: int) -> Truth:
        """Returns what is to be seen in frame ``index``."""
        time = index / self.fps
        boxes = [self._box(time, actor, sketch) for _, actor, sketch in self._sketches(time)]
        going = tuple(event for event in self.events if event.start <= time < event.end)
        zone = self._zone_box()
        return Truth(time, tuple(box for box in (zone, *boxes) if box), going)

    def _render(self, time: float) -> Image.Image:
        picture, tone = self._backdrop.copy(), self.site.tone
        for _, actor, sketch in self._sketches(time):
            if self._grounded(actor, time):
                left, _, right, _ = sketch.box
                wide = (right - left) / 2 + 0.1 * sketch.scale
                middle, row = (left + right) / 2, sketch.foot[1]
                lay_shadow(picture, middle, row, wide, 0.12 * sketch.scale)
            sketch.lay(picture, Tone() if isinstance(actor, Blaze) else tone)
        self._blink(picture, time)
        return picture

    def _sketches(self, time: float) -> list[tuple[float, Actor, Sketch]]:
        """Everything that moves or is moved, drawn, with its distance; the farthest first."""
        plot = self._plot
        found: list[tuple[float, Actor, Sketch]] = []
        hands: dict[int, Spot] = {}
        for person in plot.people:
            moment = person.at(time)
            if moment is None:
                continue
            (x, z), pose, _ = moment
            sketch = Sketch(self._ground.point(x, z), self._ground.scale(z))
            limbs = build_limbs(person.look, pose)
            for limb in limbs:
                sketch.limb(limb)
            hands[person.number] = hand_of(limbs)
            found.append((z, person, sketch))
        for vehicle in plot.vehicles:
            middle = vehicle.at(time)
            if middle is not None:
                sketch = Sketch(
                    self._ground.point(middle, vehicle.lane), self._ground.scale(vehicle.lane)
                )
                vehicle.draw(sketch, time)
                found.append((vehicle.lane, vehicle, sketch))
        for thing in plot.things:
            held = self._thing_sketch(thing, time, hands)
            if held is not None:
                found.append((held[0], thing, held[1]))
        for blaze in plot.blazes:
            if blaze.start < time < blaze.end:
                z = blaze.spot[1]
                sketch = Sketch(self._ground.point(*blaze.spot), self._ground.scale(z))
                blaze.draw(sketch, time)
                found.append((z - 0.05, blaze, sketch))
        found.sort(key=lambda one: -one[0])
        return found

    def _thing_sketch(
        self, thing: Thing, time: float, hands: dict[int, Spot]
    ) -> tuple[float, Sketch] | None:
        place = thing.at(time)
        if place is None:
            return None
        if place.holder is None:
            x, z = place.spot
            sketch = Sketch(self._ground.point(x, z), self._ground.scale(z))
            thing.draw(sketch, 0.0, place.high)
            return z, sketch
        moment = place.holder.at(time)
        if moment is None:
            return None
        (x, z), pose, _ = moment
        hand = hands[place.holder.number]
        sketch = Sketch(self._ground.point(x, z), self._ground.scale(z))
        if place.hug:
            thing.draw(sketch, 0.3 * pose.facing, 0.95)
        else:
            thing.draw(sketch, hand[0], max(0.02, hand[1] - 1.08 * thing.size))
        return z - 0.02, sketch

    def _grounded(self, actor: Actor, time: float) -> bool:
        """Whether it stands on the floor, so that it casts a shadow of its own there."""
        if isinstance(actor, Thing):
            place = actor.at(time)
            return place is not None and place.holder is None and place.high == 0
        return not isinstance(actor, Blaze)

    def _blink(self, picture: Image.Image, time: float) -> None:
        if self.site.beacon is None or time % 1.2 > 0.6:
            return
        z = self.site.beacon[1]
        sketch = Sketch(self._ground.point(*self.site.beacon), self._ground.scale(z))
        sketch.disc(0.0, BEACON, 0.15, (255, 156, 20))
        sketch.lay(picture, self.site.tone)

    def _box(self, time: float, actor: Actor, sketch: Sketch) -> Box | None:
        left, top, right, bottom = sketch.box
        before = self._foot(actor, time - 0.04) or self._foot(actor, time)
        after = self._foot(actor, time + 0.04) or self._foot(actor, time)
        velocity = (0.0, 0.0)
        if before and after:
            velocity = ((after[0] - before[0]) / 0.08, (after[1] - before[1]) / 0.08)
        box = Box(
            _label(actor), actor.number, max(0, round(left)), max(0, round(top)),
            min(self.width, round(right)), min(self.height, round(bottom)),
            self._action(actor, time), velocity,
        )  # fmt: skip
        seen = min(box.right - box.left, box.bottom - box.top) >= VISIBLE
        return box if seen else None

    def _action(self, actor: Actor, time: float) -> Action:
        if isinstance(actor, Vehicle):
            return "drive"
        moment = actor.at(time) if isinstance(actor, Person) else None
        return moment[2] if moment else ""

    def _foot(self, actor: Actor, time: float) -> Spot | None:
        if isinstance(actor, Vehicle):
            x = actor.at(time)
            return None if x is None else self._ground.point(x, actor.lane)
        if isinstance(actor, Thing):
            place = actor.at(time)
            actor = place.holder if place and place.holder else actor
        moment = actor.at(time) if isinstance(actor, Person) else None
        return self._ground.point(*moment[0]) if moment else None

    def _zone_box(self) -> Box | None:
        zone = self.site.zone
        if zone is None:
            return None
        corners = [
            self._ground.point(x, z) for x in (zone.left, zone.right) for z in (zone.near, zone.far)
        ]
        columns, rows = zip(*corners, strict=True)
        left, right = max(0, round(min(columns))), min(self.width, round(max(columns)))
        top, bottom = max(0, round(min(rows))), min(self.height, round(max(rows)))
        return Box("zone", 0, left, top, right, bottom)

    def _shaken(self, pixels: Pixels, index: int) -> Pixels:
        time = index / self.fps
        sway = (sin(3.1 * time + self.seed) + sin(7.7 * time)) / 2
        nod = (sin(2.3 * time + 1) + sin(8.9 * time + self.seed)) / 2
        rows = np.clip(np.arange(self.height) + round(self.shake * nod), 0, self.height - 1)
        cols = np.clip(np.arange(self.width) + round(self.shake * sway), 0, self.width - 1)
        return pixels[rows][:, cols]

    def _draw_grains(self) -> npt.NDArray[np.float32]:
        """A stock of noise fields, larger than the picture so that each frame can shift its own."""
        draw = np.random.default_rng((self.seed, 14))
        shape = (NOISE_FIELDS, self.height + NOISE_MARGIN, self.width + NOISE_MARGIN, 1)
        grains = draw.standard_normal(shape, dtype=np.float32) * np.float32(self.noise)
        # Half a step more, since frames are cut off to whole numbers.
        return np.repeat(grains + np.float32(0.5), 3, axis=-1)

    def _grain(self, index: int) -> npt.NDArray[np.float32]:
        draw = np.random.default_rng((self.seed, 15, index))
        field, top, left = draw.integers((NOISE_FIELDS, NOISE_MARGIN, NOISE_MARGIN))
        window: npt.NDArray[np.float32] = self._grains[
            field, top : top + self.height, left : left + self.width
        ]
        return window


Actor = Person | Vehicle | Thing | Blaze


def _label(actor: Actor) -> Label:
    if isinstance(actor, Person):
        return "person"
    if isinstance(actor, Vehicle):
        return "vehicle"
    if isinstance(actor, Blaze):
        return "smoke" if actor.smoke else "fire"
    return "bag" if actor.shape in ("suitcase", "bag") else "object"


def _tell(plot: Plot, event: EventKind | None, pretend: tuple[EventKind, ...]) -> None:
    """Writes the whole plot: the event, what resembles one, passers-by and traffic."""
    seconds, draw = plot.seconds, plot.draw
    if event is not None:
        lead = QUIET + (5.0 if event == "loitering" else 0.0)
        latest = max(lead + 0.1, seconds - LENGTHS[event] - 1.0)
        STORIES[event](plot, plot.uniform(lead, latest))
    slots = np.linspace(2.0, max(3.0, seconds - 14.0), max(1, len(pretend)))
    for kind, slot in zip(pretend, slots, strict=False):
        stories = PRETENCES[kind]
        stories[int(draw.integers(len(stories)))](plot, float(slot) + plot.uniform(-1.0, 3.0))
    time = plot.uniform(-5.0, 4.0)
    while time < seconds:
        if event != "panic" or not -9.0 < time - plot.events[0].start < 6.0:
            plot.cross(time)
        time += plot.uniform(7.0, 14.0)
    if plot.site.road:
        _add_traffic(plot)


def _add_traffic(plot: Plot) -> None:
    """Lets cars pass on both lanes, but for a lane while somebody drives against it."""
    against = [(vehicle.lane, vehicle.start, vehicle.end) for vehicle in plot.vehicles]
    for lane, direction in enumerate((1, -1)):
        speed = plot.uniform(3.6, 5.5)
        time = plot.uniform(-6.0, 2.0)
        while time < plot.seconds:
            car = plot.drive(lane, direction, time, speed, van=plot.chance(0.25))
            if any(
                z == car.lane and start < car.end + 0.5 and car.start < end + 0.5
                for z, start, end in against
            ):
                plot.vehicles.remove(car)
            time += plot.uniform(4.5, 9.0)


def _draw_pretences(draw: np.random.Generator, event: EventKind | None) -> tuple[EventKind, ...]:
    """Two harmless stories beside an event, one of them often of its own kind; three without."""
    count = 3 if event is None else 2
    kinds = [EVENT_KINDS[int(one)] for one in draw.choice(len(EVENT_KINDS), count, replace=False)]
    if event is not None and draw.random() < 0.5:
        kinds[0] = event
    return tuple(kind for kind in kinds if not (event == "panic" and kind == "loitering"))


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
    scene: SceneKind | None,
    event: EventKind | None,
    seconds: float,
    width: int,
    height: int,
    fps: float,
) -> None:
    if min(width, height) < 32 or width % 2 or height % 2:
        raise SettingsError(f"{width} x {height} pixels won't do: use even sides of 32 or more")
    if seed < 0 or fps <= 0:
        raise SettingsError("seed must not be negative, fps must be positive")
    if seconds < (30.0 if event else 1.0):
        raise SettingsError("a video takes a second or more, one with an event 30 seconds or more")
    if event is not None and event not in EVENT_KINDS:
        raise SettingsError(f"unknown event {event!r}: use one of {', '.join(EVENT_KINDS)}")
    if scene is not None and scene not in scenes_for(event):
        fitting = ", ".join(scenes_for(event))
        raise SettingsError(f"can't show {event or 'that'} in {scene!r}: use one of {fitting}")
