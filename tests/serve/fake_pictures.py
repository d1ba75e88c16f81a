"""Pictures, grids and a clip of a fake camera: a bright block that walks over a coloured field."""

from __future__ import annotations

import colorsys
import io
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

SIZE = (640, 360)
MOTION_GRID = (9, 16)
KEPT_GRID = (6, 10)


def walker(at: float, number: int) -> tuple[float, float]:
    """Returns where the block is at a moment, in shares of the picture."""
    return (
        0.5 + 0.4 * math.sin(at / 3 + number),
        0.6 + 0.25 * math.sin(at / 5 + 2 * number),
    )


def picture(at: float, number: int) -> Image.Image:
    """Returns what a camera shows at a moment."""
    width, height = SIZE
    image = Image.new("RGB", SIZE, _colour(number, 0.35, 0.45))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height * 0.45, width, height), fill=_colour(number, 0.25, 0.3))
    draw.rectangle(
        (width * 0.1, height * 0.2, width * 0.3, height * 0.5), fill=_colour(0, 0.1, 0.6)
    )
    x, y = walker(at, number)
    left, top = x * width, y * height
    draw.ellipse((left - 14, top - 62, left + 14, top - 34), fill=(230, 200, 170))
    draw.rectangle((left - 18, top - 34, left + 18, top + 34), fill=_colour(number + 3, 0.8, 0.9))
    draw.text((12, 12), f"camera {number}  {at:.1f}", fill=(255, 255, 255))
    return image


def jpeg(at: float, number: int) -> bytes:
    """Returns that picture as JPEG."""
    file = io.BytesIO()
    picture(at, number).save(file, "JPEG", quality=75)
    return file.getvalue()


def motion(at: float, number: int) -> npt.NDArray[np.uint8]:
    """Returns how much changed, by blocks: much where the block walks."""
    return (255 * _nearness(at, number, MOTION_GRID, reach=0.12)).astype(np.uint8)


def kept(at: float, number: int) -> npt.NDArray[np.float32]:
    """Returns what share of new frames each merge group was encoded in."""
    return _nearness(at, number, KEPT_GRID, reach=0.22).astype(np.float32)


def write_clip(path: Path, seconds: float = 6.0, fps: int = 10) -> Path:
    """Writes a small H.264 MP4 that any browser plays."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(fps), options={"preset": "ultrafast"}
        )
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for index in range(int(seconds * fps)):
            frame = av.VideoFrame.from_image(picture(index / fps, 1))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _nearness(
    at: float, number: int, grid: tuple[int, int], reach: float
) -> npt.NDArray[np.float64]:
    x, y = walker(at, number)
    rows, cols = (np.arange(n) / n + 0.5 / n for n in grid)
    squares = ((rows - y) ** 2)[:, None] + ((cols - x) ** 2)[None, :]
    return np.asarray(np.exp(-squares / reach**2).round(2))


def _colour(number: int, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb((0.58 + 0.13 * number) % 1, saturation, value)
    return int(red * 255), int(green * 255), int(blue * 255)
