"""Streams under test: rich motion, encoded in memory, and what a decoder makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (192, 320)  # rows, columns: multiples of 64 and 16, so that nothing is cropped


@dataclass(frozen=True)
class Stream:
    """Packets in decoding order, and the parameter sets besides them."""

    codec: str
    packets: list[bytes]
    extradata: bytes

    def luma(self) -> list[np.ndarray]:
        """Decoded luma in display order."""
        decoder = av.CodecContext.create(self.codec, "r")
        if self.extradata:
            decoder.extradata = self.extradata
        decoder.thread_count = 1
        frames = [f for data in self.packets for f in decoder.decode(av.Packet(data))]
        return [luma_of(frame) for frame in [*frames, *decoder.decode(None)]]


def from_file(path: Path) -> Stream:
    """The video of a file."""
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        packets = [bytes(packet) for packet in container.demux(track) if packet.size]
        context = track.codec_context
        return Stream(context.name, packets, bytes(context.extradata or b""))


def luma_of(frame: av.VideoFrame) -> np.ndarray:
    """Luma [rows, columns] of a decoded frame."""
    plane = frame.planes[0]
    kind = np.uint8 if plane.line_size < 2 * plane.width else np.uint16
    rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
    return rows[:, : plane.width].copy()


def _texture(draw: np.random.Generator, height: int, width: int, scale: float) -> np.ndarray:
    spectrum = np.fft.rfft2(draw.normal(size=(height, width)))
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    picture = np.fft.irfft2(spectrum / (y**2 + x**2 + scale**-2) ** 0.6, s=(height, width))
    return 255 * (picture - picture.min()) / np.ptp(picture)


def scene(frames: int, size: tuple[int, int] = SIZE, seed: int = 0) -> Iterator[np.ndarray]:
    """Luma [rows, columns] of a swaying camera, objects on their ways, flashes and noise."""
    draw = np.random.default_rng(seed)
    height, width = size
    ground = _texture(draw, 2 * height, 2 * width, 80)
    objects = [
        (_texture(draw, height // 3, width // 4, 12), draw.random(2) * size, draw.uniform(-6, 6, 2))
        for _ in range(4)
    ]
    for t in range(frames):
        y, x = int(height / 2 + 9 * np.sin(t / 3)), int(width / 2 + 1.7 * t) % width
        picture = ground[y : y + height, x : x + width].copy()
        for texture, start, speed in objects:
            y, x = ((start + speed * t) % size).astype(int)
            part = picture[y : y + texture.shape[0], x : x + texture.shape[1]]
            part[:] = texture[: part.shape[0], : part.shape[1]]
        if t % 7 == 6:
            picture = 0.8 * picture + 20
        yield np.clip(picture + draw.normal(0, 2, size), 0, 255)


def fade(frames: int, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """The scene, ever darker."""
    return [luma * (1 - 0.9 * t / frames) for t, luma in enumerate(scene(frames, size))]


def encode(
    codec: str,
    options: dict[str, str],
    *,
    frames: int = 8,
    size: tuple[int, int] = SIZE,
    pixel_format: str = "yuv420p",
    seed: int = 0,
    pictures: list[np.ndarray] | None = None,
) -> Stream:
    """The scene (or other luma pictures), encoded; its chroma follows the luma."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width = size
    encoder.pix_fmt = pixel_format
    encoder.framerate = 25
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = options
    packets = []
    for number, luma in enumerate(pictures or scene(frames, size, seed)):
        frame = av.VideoFrame(size[1], size[0], pixel_format)
        deep = frame.format.components[0].bits > 8
        for at, plane in enumerate(frame.planes):
            step_y, step_x = size[0] // plane.height, size[1] // plane.width
            values = luma[::step_y, ::step_x]
            if at:
                values = 128 + (0.3 if at == 1 else -0.2) * (values - 128)
            kind, scale = (np.uint16, 4) if deep else (np.uint8, 1)
            rows = np.zeros((plane.height, plane.line_size // np.dtype(kind).itemsize), kind)
            rows[:, : plane.width] = np.rint(values * scale)
            plane.update(rows.tobytes())
        frame.pts = number
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    packets += [bytes(packet) for packet in encoder.encode(None)]
    name = {"libx265": "hevc", "libx264": "h264"}[codec]
    return Stream(name, packets, bytes(encoder.extradata or b""))
