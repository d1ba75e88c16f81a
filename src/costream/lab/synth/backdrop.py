"""The picture of a place without anyone in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from costream.lab.synth.brush import Sketch, Tone, lay_shadow
from costream.lab.synth.figure import Canvas
from costream.lab.synth.ground import CAMERA_HEIGHT, Ground
from costream.lab.synth.site import LANES, Site, Zone
from costream.lab.synth.texture import Field, value_noise
from costream.lab.synth.vehicle import PAINTS, draw_car

Generator = np.random.Generator

WALLS = {"street": 16.0, "shop": 11.5, "hall": 13.0, "car_park": 19.0, "corridor": 15.0}
"""Metres from the camera to the back wall, by kind of place."""

KERB = 8.95
"""Metres from the camera to where the road begins."""

BAYS = 17.2
"""Metres from the camera to the middle of the parked cars."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Metres of floor or wall at the pixels of some rows of a picture twice as fine."""

    ground: Ground
    wall: float
    x: Field
    z: Field
    across: Field
    up: Field
    pixel: Field


def paint_backdrop(ground: Ground, site: Site, draw: Generator) -> Image.Image:
    """Paints a place with its furniture, as its camera shows it.

    Returns:
        An RGB picture.
    """
    fine, distance = Ground(2 * ground.width, 2 * ground.height), WALLS[site.kind]
    base = round(fine.point(0, distance)[1])
    paint_wall, paint_floor = PAINTERS[site.kind]
    wall = paint_wall(_plan(fine, distance, 0, base), draw)
    below = _plan(fine, distance, base, fine.height)
    floor = paint_floor(below, draw)
    if site.zone:
        floor = _paint_zone(below, floor, site.zone, draw)
    picture = _shrink(np.concatenate((wall, floor)), ground)
    _furnish(picture, ground, site, draw)
    canvas = site.tone.show(np.asarray(picture, np.float32) * _vignette(ground))
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def _plan(fine: Ground, wall: float, top: int, bottom: int) -> _Plan:
    rows, cols = np.mgrid[top:bottom, : fine.width].astype(np.float32) + np.float32(0.5)
    z = np.minimum(CAMERA_HEIGHT * fine.focal / np.maximum(rows - fine.horizon, 1.0), wall)
    x = (cols - fine.width / 2) * z / fine.focal
    up = CAMERA_HEIGHT - (rows - fine.horizon) / fine.scale(wall)
    across = (cols - fine.width / 2) / fine.scale(wall)
    return _Plan(fine, wall, x, z, across, up, z * z / (CAMERA_HEIGHT * fine.focal))


def _vignette(ground: Ground) -> Canvas:
    """How much light the lens takes in, less towards the corners."""
    rows, cols = np.ogrid[: ground.height, : ground.width]
    far = (rows / ground.height - 0.5) ** 2 + (cols / ground.width - 0.5) ** 2
    share: Canvas = (1.03 - 0.35 * far).astype(np.float32)[..., None]
    return share


def _shrink(picture: Field, ground: Ground) -> Image.Image:
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    return image.resize((ground.width, ground.height), Image.Resampling.LANCZOS)


# Walls


def _colour(draw: Generator, low: int, high: int, spread: int = 18) -> Field:
    """A muted colour: one grey and a little of chance on each channel."""
    colour: Field = draw.uniform(low, high) + draw.uniform(-spread, spread, 3)
    return colour.astype(np.float32)


def _facade(plan: _Plan, draw: Generator) -> Field:
    """Houses of a street: a row of fronts with windows and shop doors."""
    picture = np.zeros((*plan.up.shape, 3), np.float32)
    left = -12.0 + float(draw.uniform(0, 3))
    picture[:] = _colour(draw, 110, 170)
    while left < 12:
        wide = float(draw.uniform(2.6, 5.0))
        house = (plan.across >= left) & (plan.across < left + wide)
        shade = 1 - 0.08 * ((plan.up * 6 % 1) < 0.12) - 0.15 * (plan.up < 0.35)
        picture[house] = (_colour(draw, 95, 190, 34) * shade[..., None])[house]
        glass = _colour(draw, 50, 120)
        for step in np.arange(0.35, wide - 0.9, float(draw.uniform(1.1, 1.6))):
            for low, high in ((0.3 if step > 1 else 0.0, 1.9), (2.6, 3.8), (4.4, 5.6)):
                _panel(plan, picture, (left + step, left + step + 0.8, low, high), glass)
        _panel(plan, picture, (left, left + wide, 2.05, 2.4), _colour(draw, 60, 200, 70))
        left += wide
    picture *= (1 + 0.05 * value_noise(plan.across * 3, plan.up * 3, draw))[..., None]
    return picture


def _shelves(plan: _Plan, draw: Generator) -> Field:
    """The back of a shop: shelves full of goods under a coloured band."""
    picture = np.zeros((*plan.up.shape, 3), np.float32)
    picture[:] = _colour(draw, 170, 215)
    goods = draw.uniform(50, 215, (8, 160, 3)).astype(np.float32)
    grey = goods.mean(axis=-1, keepdims=True)
    goods = grey + 0.55 * (goods - grey)
    pitch, wide = float(draw.uniform(0.42, 0.56)), float(draw.uniform(0.18, 0.34))
    shelf = np.clip(plan.up / pitch, 0, 7).astype(int)
    item = (np.floor(plan.across / wide).astype(int) + 80) % 160
    offset = plan.across / wide % 1
    tall = 0.55 + 0.35 * ((item * 7919 + shelf * 31) % 10) / 10
    full = ((plan.up / pitch % 1) < tall) & (offset > 0.06) & (plan.up < 4.4 * pitch)
    bay = (plan.across + 30) % float(draw.uniform(3.0, 4.4)) < 0.18
    picture[plan.up < 4.5 * pitch] = _colour(draw, 60, 96)
    picture[full] = goods[shelf, item][full]
    picture[bay & (plan.up < 4.6 * pitch)] = 120.0
    band = (plan.up > 4.8 * pitch) & (plan.up < 5.7 * pitch)
    picture[band] = _colour(draw, 70, 170, 80)
    return picture


def _windows(plan: _Plan, draw: Generator) -> Field:
    """A hall's wall: panelled, with tall windows."""
    tone = _colour(draw, 150, 205)
    shade = 0.86 + 0.05 * plan.up - 0.12 * (plan.up < 0.14) - 0.2 * (plan.up < 1.0)
    picture: Field = (tone * shade[..., None]).astype(np.float32)
    every, wide = float(draw.uniform(2.6, 4.2)), float(draw.uniform(1.4, 2.1))
    sky, frame = _colour(draw, 222, 240, 12), _colour(draw, 60, 90)
    first = -9.5 + float(draw.uniform(0, 2))
    for left in np.arange(first, 10, every):
        _panel(plan, picture, (left - 0.08, left + wide + 0.08, 0.92, 3.8), frame)
        for low, high in ((1.0, 2.3), (2.38, 3.7)):
            _panel(plan, picture, (left, left + wide / 2 - 0.03, low, high), sky)
            _panel(plan, picture, (left + wide / 2 + 0.03, left + wide, low, high), sky)
    return picture


def _hedge(plan: _Plan, draw: Generator) -> Field:
    """Behind a car park: a hedge or a concrete wall, trees and sky above."""
    sky = _colour(draw, 190, 225, 14)
    picture = np.zeros((*plan.up.shape, 3), np.float32) + sky
    leaf = 1 + 0.3 * value_noise(plan.across * 4, plan.up * 4, draw)
    ridge = 3.2 + 1.2 * value_noise(plan.across * 0.5, plan.across * 0, draw)
    trees = plan.up < ridge
    picture[trees] = (np.array((58, 92, 54)) * leaf[..., None])[trees]
    wall = plan.up < float(draw.uniform(1.2, 1.9))
    tone = np.array((70, 104, 62)) if draw.random() < 0.5 else _colour(draw, 130, 165)
    picture[wall] = (tone * (0.7 + 0.3 * leaf)[..., None])[wall]
    return picture


def _doors(plan: _Plan, draw: Generator) -> Field:
    """The end and the sides of a corridor: doors, pipes and strips of lamps."""
    picture = np.zeros((*plan.up.shape, 3), np.float32)
    tone, dado = _colour(draw, 120, 160), _colour(draw, 70, 100)
    picture[:] = tone
    picture[plan.up < 1.1] = dado
    every = float(draw.uniform(2.4, 3.6))
    for left in np.arange(-9 + float(draw.uniform(0, 2)), 9, every):
        _panel(plan, picture, (left, left + 1.1, 0, 2.2), _colour(draw, 60, 90))
        _panel(plan, picture, (left + 0.1, left + 1.0, 0, 2.1), _colour(draw, 90, 190, 30))
    for high in (2.7, 2.95):
        _panel(plan, picture, (-20, 20, high, high + 0.1), _colour(draw, 80, 180))
    lamps = (abs(plan.across % 3.2 - 1.6) < 0.7) & (plan.up > 3.4) & (plan.up < 3.65)
    picture[lamps] = 250.0
    return picture


# Floors


def _paving(plan: _Plan, draw: Generator) -> Field:
    """A pavement in front, the road behind it, another pavement at the houses."""
    slabs = _tiles(plan, draw, _colour(draw, 128, 165), float(draw.uniform(0.6, 0.9)), 0.05)
    return _pave(plan, draw, slabs, 15.0)


def _asphalt(plan: _Plan, draw: Generator) -> Field:
    """A car park's ground: the lane, and bays beyond it."""
    grain = (
        1
        + 0.1 * value_noise(plan.x * 9, plan.z * 9, draw)
        + 0.06 * value_noise(plan.x, plan.z, draw)
    )
    base = (_colour(draw, 96, 136) * grain[..., None]).astype(np.float32)
    every = float(draw.uniform(1.1, 1.6))
    stripes = (abs(plan.x % (2 * every) - every) < 0.06) & (plan.z < KERB - 0.3) & (plan.z > 7.9)
    base[stripes] = 205.0
    picture = _pave(plan, draw, base, 15.2)
    lines = (abs(plan.x % 5.0 - 2.5) < 0.1) & (plan.z > 15.4)
    picture[lines] = 215.0
    return picture


def _pave(plan: _Plan, draw: Generator, base: Field, far: float) -> Field:
    """Lays the road with its two lanes and their arrows over a ground."""
    grain = 1 + 0.08 * value_noise(plan.x * 8, plan.z * 8, draw)
    road = (plan.z > KERB) & (plan.z < far)
    picture = base.copy()
    picture[road] = (_colour(draw, 62, 92, 6) * grain[..., None])[road]
    for kerb in (KERB, far):
        picture[abs(plan.z - kerb) < 0.1 + plan.pixel] = 196.0
    middle = (LANES[0] + LANES[1]) / 2
    picture[(abs(plan.z - middle) < 0.09 + 0.5 * plan.pixel) & (plan.x % 2.4 < 1.5)] = 226.0
    for lane, direction in zip(LANES, (1, -1), strict=True):
        for tip in np.arange(-8, 9, 5.3) + float(draw.uniform(-1, 1)):
            along = direction * (tip - plan.x)
            off = abs(plan.z - lane)
            head = (along > 0) & (along < 0.9) & (off < 0.75 * along)
            shaft = (along >= 0.9) & (along < 2.2) & (off < 0.2 + plan.pixel)
            picture[head | shaft] = 232.0
    return picture


def _checks(plan: _Plan, draw: Generator) -> Field:
    size = float(draw.uniform(0.6, 1.1))
    return _tiles(plan, draw, _colour(draw, 150, 200), size, 0.04, float(draw.uniform(0.04, 0.2)))


def _stone(plan: _Plan, draw: Generator) -> Field:
    floor = _tiles(plan, draw, _colour(draw, 112, 160), float(draw.uniform(0.9, 1.4)), 0.05)
    return floor * (1.1 - 0.02 * plan.z)[..., None]


def _lino(plan: _Plan, draw: Generator) -> Field:
    floor = (
        _colour(draw, 96, 130) * (1 + 0.05 * value_noise(plan.x * 2, plan.z * 2, draw))[..., None]
    )
    runner = abs(plan.z - 7.0) < float(draw.uniform(1.4, 2.2))
    floor[runner] *= float(draw.uniform(0.72, 1.25))
    gloss = 1 + 0.18 * np.exp(-(((plan.x % 3.2 - 1.6) / 0.6) ** 2))
    lit: Field = (floor * gloss[..., None]).astype(np.float32)
    return lit


def _tiles(
    plan: _Plan, draw: Generator, tone: Field, size: float, spread: float, checks: float = 0.0
) -> Field:
    """Tiles with grout; ``checks`` is how far every other tile is darker."""
    column = np.floor(plan.x / size).astype(int)
    row = np.floor(plan.z / size).astype(int)
    shade = draw.normal(1, spread, (64, 64))[row % 64, column % 64] - checks * ((row + column) % 2)
    off = np.minimum(abs((plan.x / size + 0.5) % 1 - 0.5), abs((plan.z / size + 0.5) % 1 - 0.5))
    grout = np.clip(1.5 - off * size / np.maximum(0.02, plan.pixel / 2), 0, 1)
    grain = 1 + 0.05 * value_noise(plan.x * 3, plan.z * 3, draw)
    tiled: Field = tone * (shade * (1 - 0.2 * grout) * grain)[..., None]
    return tiled.astype(np.float32)


def _paint_zone(plan: _Plan, floor: Field, zone: Zone, draw: Generator) -> Field:
    """Hatches the forbidden rectangle in red and yellow, with a solid border."""
    inside = np.minimum(
        np.minimum(plan.x - zone.left, zone.right - plan.x),
        np.minimum(plan.z - zone.near, zone.far - plan.z),
    )
    hatch = ((plan.x + plan.z) % 0.9) < 0.45
    red, yellow = np.array((206.0, 36.0, 30.0)), np.array((240.0, 200.0, 36.0))
    colours = np.where(hatch[..., None], red, yellow)
    colours = np.where((inside < 0.14)[..., None], red, colours)
    cover = (0.86 * (inside > 0) * (1 + 0.08 * value_noise(plan.x * 6, plan.z * 6, draw)))[
        ..., None
    ]
    painted: Field = floor + np.clip(cover, 0, 0.95) * (colours - floor)
    return painted


PAINTERS = {
    "street": (_facade, _paving),
    "shop": (_shelves, _checks),
    "hall": (_windows, _stone),
    "car_park": (_hedge, _asphalt),
    "corridor": (_doors, _lino),
}
"""What paints wall and floor of each kind of place."""


# Furniture


def _furnish(picture: Image.Image, ground: Ground, site: Site, draw: Generator) -> None:
    tone = Tone()
    if site.kind == "car_park":
        for x in np.arange(-10, 11, 5.0):
            paint = PAINTS[int(draw.integers(len(PAINTS)))]
            facing = 1 if draw.random() < 0.5 else -1
            if draw.random() < 0.75:
                sketch = Sketch(ground.point(float(x), BAYS), ground.scale(BAYS))
                draw_car(sketch, paint, facing, bool(draw.random() < 0.2), 0.0)
                sketch.lay(picture, tone)
    for name in ("bench", "display", "bin", "beacon"):
        spot = getattr(site, name)
        if spot is None:
            continue
        column, row = ground.point(*spot)
        scale = ground.scale(spot[1])
        lay_shadow(picture, column, row, scale * (1.0 if name == "bench" else 0.45), scale * 0.14)
        sketch = Sketch((column, row), scale)
        DRAWINGS[name](sketch)
        sketch.lay(picture, tone)


def _draw_bench(sketch: Sketch) -> None:
    for x in (-0.75, 0.75):
        sketch.rectangle(x - 0.05, 0, x + 0.05, 0.45, (44, 44, 46))
    sketch.rectangle(-0.95, 0.36, 0.95, 0.46, (122, 84, 50))
    sketch.rectangle(-0.95, 0.58, 0.95, 0.84, (134, 94, 58))


def _draw_display(sketch: Sketch) -> None:
    sketch.rectangle(-0.3, 0, 0.3, PEDESTAL - 0.08, (236, 236, 232))
    sketch.rectangle(-0.3, 0, -0.12, PEDESTAL - 0.08, (206, 206, 204))
    sketch.rectangle(-0.36, PEDESTAL - 0.08, 0.36, PEDESTAL, (250, 250, 248))
    sketch.rectangle(-0.34, 0, 0.34, 0.08, (180, 180, 178))


def _draw_bin(sketch: Sketch) -> None:
    sketch.polygon(((-0.26, 0), (0.26, 0), (0.31, BIN), (-0.31, BIN)), (70, 82, 88))
    sketch.rectangle(-0.34, BIN - 0.1, 0.34, BIN, (50, 58, 62))


def _draw_beacon(sketch: Sketch) -> None:
    sketch.rectangle(-0.04, 0, 0.04, BEACON, (90, 92, 96))
    sketch.disc(0, BEACON, 0.13, (120, 70, 30))


PEDESTAL, BIN, BEACON = 0.95, 0.8, 1.9
"""Heights in metres."""

DRAWINGS = {
    "bench": _draw_bench,
    "display": _draw_display,
    "bin": _draw_bin,
    "beacon": _draw_beacon,
}


def _panel(
    plan: _Plan, picture: Field, sides: tuple[float, float, float, float], colour: Field
) -> None:
    """Fills a rectangle of the wall, left, right, low and high edge in metres, in place."""
    scale, height, width = plan.ground.scale(plan.wall), *picture.shape[:2]
    left, right = (plan.ground.width / 2 + scale * side for side in sides[:2])
    low, high = (plan.ground.horizon + scale * (CAMERA_HEIGHT - side) for side in sides[2:])
    cols = slice(min(max(int(left) - 1, 0), width), min(max(int(right) + 2, 0), width))
    rows = slice(min(max(int(high) - 1, 0), height), min(max(int(low) + 2, 0), height))
    y, x = np.ogrid[rows, cols]
    across = np.minimum(x + 0.5 - left, right - x - 0.5) / 1.5 + 0.5
    upward = np.minimum(y + 0.5 - high, low - y - 0.5) / 1.5 + 0.5
    cover = np.clip(np.minimum(across, upward), 0, 1).astype(np.float32)[..., None]
    under = picture[rows, cols]
    under += cover * (colour - under)
