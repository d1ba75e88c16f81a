"""The empty room: a hall with a tiled floor, windows in its back wall, and their light."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from costream.lab.synth.ground import CAMERA_HEIGHT, WALL, Ground
from costream.lab.synth.texture import Field, value_noise

OVERSAMPLING = 2
TILE = 1.0
PALETTES = (
    ((196, 188, 174), (122, 116, 108), (226, 236, 244)),
    ((168, 182, 190), (104, 112, 118), (236, 238, 232)),
    ((204, 190, 160), (112, 98, 84), (240, 232, 214)),
    ((176, 184, 166), (96, 102, 98), (230, 240, 236)),
)
"""Colours of wall, floor and daylight."""


def paint_scene(ground: Ground, seed: int) -> npt.NDArray[np.float32]:
    """Paints the room without anyone in it.

    Args:
        ground: the camera's view.
        seed: picks the colours, the windows and the grain.

    Returns:
        float32 [height, width, 3], 0..255.
    """
    draw = np.random.default_rng((seed, 1))
    fine = Ground(ground.width * OVERSAMPLING, ground.height * OVERSAMPLING)
    wall, floor, light = (np.array(c, np.float32) for c in PALETTES[draw.integers(len(PALETTES))])
    windows = _place_windows(draw)
    rows, cols = np.mgrid[: fine.height, : fine.width].astype(np.float32) + 0.5
    up = CAMERA_HEIGHT - (rows - fine.horizon) / fine.scale(WALL)
    across = (cols - fine.width / 2) / fine.scale(WALL)
    wall_picture = _paint_wall(up, across, wall, light, windows)
    picture = _paint_floor(fine, rows, cols, floor, light, windows, draw)
    base = round(fine.point(0, WALL)[1])
    picture[:base] = wall_picture[:base]
    _mirror(picture, base)
    _furnish(picture, up, across, base)
    return _finish(picture * _vignette(rows, cols, fine), ground)


def _place_windows(draw: np.random.Generator) -> list[float]:
    """Left edges of the windows, in metres on the wall."""
    first, gap = float(draw.uniform(-8.2, -7.6)), int(draw.integers(1, 4))
    return [first + 3.2 * position for position in range(4) if position != gap]


def _paint_wall(up: Field, across: Field, wall: Field, light: Field, windows: list[float]) -> Field:
    shade = 0.86 + 0.05 * up - 0.12 * (up < 0.14) - 0.04 * ((across % 1.7) < 0.03)
    picture = wall * shade[..., None]
    panel = _step(1.0 - up, 0.02)[..., None]
    picture = picture * (1 - 0.22 * panel)
    for left in windows:
        frame = _rectangle(across, up, left - 0.08, left + 2.28, 0.92, 3.78)
        glass = _rectangle(across, up, left, left + 2.2, 1.0, 3.7)
        bars = np.maximum(
            _step(0.04 - abs(across - left - 1.1), 0.02), _step(0.04 - abs(up - 2.4), 0.02)
        )
        sky = light * (0.86 + 0.05 * up[..., None])
        picture = picture * (1 - frame[..., None]) + 74.0 * frame[..., None]
        pane = (glass * (1 - bars))[..., None]
        picture = picture * (1 - pane) + sky * pane
    painted: Field = picture.astype(np.float32)
    return painted


def _paint_floor(
    fine: Ground,
    rows: Field,
    cols: Field,
    floor: Field,
    light: Field,
    windows: list[float],
    draw: np.random.Generator,
) -> Field:
    z = CAMERA_HEIGHT * fine.focal / np.maximum(rows - fine.horizon, 1.0)
    x = (cols - fine.width / 2) * z / fine.focal
    z = np.minimum(z, WALL + 1)
    tones = draw.normal(1.0, 0.035, (64, 64))
    tone = tones[np.floor(z / TILE).astype(int) % 64, np.floor(x / TILE).astype(int) % 64]
    pixel = z / fine.focal
    grout = np.maximum(_line(x, pixel), _line(z, pixel * z / CAMERA_HEIGHT))
    grain = value_noise(x * 2.3, z * 2.3, draw, 128) + 0.5 * value_noise(x * 9, z * 9, draw, 128)
    shade = tone * (1 - 0.22 * grout) * (1 + 0.05 * grain) * (1.12 - 0.022 * z)
    sun = sum(_sunlight(x, z, left) for left in windows)
    lit = floor * shade[..., None] + light * (0.24 * np.clip(sun, 0, 1))[..., None]
    painted: Field = lit.astype(np.float32)
    return painted


def _sunlight(x: Field, z: Field, left: float) -> Field:
    """Light of one window on the floor: a slanted rectangle with the shadow of the bars."""
    away = WALL - z
    offset = x - left - 0.45 * away
    spot = _rectangle(offset, away, 0.0, 2.2, 1.2, 5.2, 0.12)
    bars = np.maximum(_step(0.06 - abs(offset - 1.1), 0.1), _step(0.1 - abs(away - 3.2), 0.14))
    return spot * (1 - 0.8 * bars)


def _mirror(picture: Field, base: int) -> None:
    """Adds the wall's faint reflection to the polished floor, in place."""
    depth = min(base, picture.shape[0] - base)
    mirrored = picture[base - depth : base][::-1]
    strip = Image.fromarray(mirrored.clip(0, 255).astype(np.uint8))
    narrow = strip.resize((max(1, strip.width // 24), strip.height), Image.Resampling.BOX)
    blurred = np.asarray(narrow.resize(strip.size, Image.Resampling.BICUBIC), np.float32)
    weight = np.linspace(0.3, 0.0, depth, dtype=np.float32)[:, None, None]
    picture[base : base + depth] *= 1 - weight
    picture[base : base + depth] += weight * blurred


def _furnish(picture: Field, up: Field, across: Field, base: int) -> None:
    """Puts a bench, a door and two plants before the wall, in place."""
    rectangles = (
        ((5.0, 6.5, -0.1, 2.3), (58, 62, 68)),
        ((5.12, 5.7, 0.1, 2.18), (132, 148, 156)),
        ((5.8, 6.38, 0.1, 2.18), (126, 142, 150)),
        ((-3.4, -0.6, 0.34, 0.46), (104, 74, 48)),
        ((-3.4, -0.6, 0.56, 0.86), (116, 84, 54)),
        ((-3.2, -3.1, -0.12, 0.5), (44, 44, 46)),
        ((-0.9, -0.8, -0.12, 0.5), (44, 44, 46)),
        ((-4.5, -3.95, -0.2, 0.38), (150, 96, 70)),
        ((2.75, 3.3, -0.2, 0.38), (150, 96, 70)),
    )
    for (left, right, low, high), colour in rectangles:
        _lay(picture, _rectangle(across, up, left, right, low, high), colour)
    for middle in (-4.22, 3.02):
        for leaf in range(9):
            lean, tall = (leaf - 4) * 0.16, 1.15 - 0.05 * (leaf - 4) ** 2
            height = (up - 0.35) / tall
            bend = across - middle - lean * height**2
            half = np.where((height > 0) & (height < 1), 0.075 * np.sin(np.pi * height), -1.0)
            blade = _step(half - abs(bend), 0.02)
            _lay(picture, blade, (52 + 5 * (leaf % 3), 96 + 9 * (leaf % 4), 58))


def _lay(picture: Field, alpha: Field, colour: tuple[int, int, int]) -> None:
    touched = np.nonzero(alpha.any(axis=1))[0]
    if not touched.size:
        return
    rows = slice(int(touched[0]), int(touched[-1]) + 1)
    cover = alpha[rows, :, None]
    picture[rows] += cover * (np.array(colour, np.float32) - picture[rows])


def _finish(picture: Field, ground: Ground) -> npt.NDArray[np.float32]:
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    small = image.resize((ground.width, ground.height), Image.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float32)


def _vignette(rows: Field, cols: Field, fine: Ground) -> Field:
    far = (rows / fine.height - 0.5) ** 2 + (cols / fine.width - 0.5) ** 2
    vignette: Field = (1.04 - 0.45 * far)[..., None]
    return vignette


def _rectangle(
    x: Field, y: Field, left: float, right: float, low: float, high: float, soft: float = 0.02
) -> Field:
    inside = np.minimum(np.minimum(x - left, right - x), np.minimum(y - low, high - y))
    return _step(inside, soft)


def _step(distance: Field, soft: float) -> Field:
    """1 where ``distance`` is positive, 0 where negative, a ramp of width ``soft`` between."""
    ramp: Field = np.clip(distance / soft + 0.5, 0, 1).astype(np.float32)
    return ramp


def _line(position: Field, pixel: Field) -> Field:
    """Grout lines every tile, faded where they are thinner than a pixel."""
    off = abs((position / TILE + 0.5) % 1 - 0.5) * TILE
    thickness = np.maximum(0.018, pixel)
    line: Field = np.clip(1.5 - off / thickness, 0, 1) * np.minimum(1, 0.018 / pixel * 2)
    return line
