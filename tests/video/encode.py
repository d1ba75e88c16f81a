"""Small clips under test, made by real encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.reformatter import ColorRange

SIZE = (240, 320)


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth random luma, uint8 [height, width], that a motion search can lock on."""
    coarse = np.random.default_rng(seed).random((height // 8 + 2, width // 8 + 2))
    fine = np.kron(coarse, np.ones((8, 8)))
    rows = np.cumsum(np.cumsum(np.pad(fine, ((5, 0), (5, 0)), mode="wrap"), 0), 1)
    smooth = (rows[5:, 5:] - rows[:-5, 5:] - rows[5:, :-5] + rows[:-5, :-5]) / 25
    return (255 * smooth[:height, :width]).clip(0, 255).astype(np.uint8)


def panning(frames: int, step: tuple[int, int] = (3, 0), size=SIZE) -> list[np.ndarray]:
    """Content moves by ``step`` (x right, y down) pixels a frame."""
    height, width = size
    reach_x, reach_y = abs(step[0]) * frames + 16, abs(step[1]) * frames + 16
    canvas = texture(height + 2 * reach_y, width + 2 * reach_x)
    pictures = []
    for i in range(frames):
        y, x = reach_y - step[1] * i, reach_x - step[0] * i
        pictures.append(canvas[y : y + height, x : x + width].copy())
    return pictures


def still(frames: int, size=SIZE) -> list[np.ndarray]:
    return [texture(*size)] * frames


def popping(frames: int, at: int, size=SIZE) -> list[np.ndarray]:
    """A plain scene in which fresh texture fills rows and columns 64 to 128 from frame ``at``."""
    pictures = [np.full(size, 90, np.uint8) + texture(*size, seed=3) // 16] * frames
    for i in range(at, frames):
        pictures[i] = pictures[i].copy()
        pictures[i][64:128, 64:128] = texture(64, 64, seed=i)
    return pictures


def encode(
    path: Path,
    pictures: Iterable[np.ndarray],
    codec: str = "libx264",
    *,
    rate: int = 25,
    container: str | None = None,
    options: dict[str, str] | None = None,
    b_frames: int | None = None,
    gop: int | None = None,
    times: Sequence[float] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    aspect: Fraction | None = None,
    full_range: bool = False,
    pixels: str = "yuv420p",
    muxer: dict[str, str] | None = None,
) -> Path:
    """Encodes luma pictures; ``times`` in seconds replaces the constant rate. Returns ``path``."""
    pictures = list(pictures)
    with av.open(str(path), "w", format=container, options=muxer or {}) as out:
        stream = out.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt = pixels
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        if gop is not None:
            stream.codec_context.gop_size = gop
        if rotation or mirrored:
            # PyAV mirrors what was turned; here it is mirrored first.
            stream.set_display_rotation(rotation if mirrored else -rotation, hflip=mirrored)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if full_range:
            stream.codec_context.color_range = ColorRange.JPEG
        if times is not None:
            stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(
                format=stream.pix_fmt, dst_color_range=ColorRange.JPEG if full_range else None
            )
            if times is not None:
                frame.pts, frame.time_base = round(times[i] * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def filtered(source: Path, path: Path, name: str) -> Path:
    """Copies a video through one of FFmpeg's bitstream filters. Returns ``path``."""
    with av.open(str(source)) as given, av.open(str(path), "w") as out:
        video = given.streams.video[0]
        copy = out.add_stream_from_template(video)
        bitstream_filter = BitStreamFilterContext(name, video)
        for packet in given.demux(video):
            for kept in bitstream_filter.filter(packet if packet.size else None):
                kept.stream = copy
                out.mux(kept)
    return path


def spoilt(source: Path, path: Path, spoil: Callable[[bytes], bytes], every: int) -> list[int]:
    """Copies a video and spoils packets but for key frames' first. Returns which, by number."""
    hit = []
    with av.open(str(source)) as given, av.open(str(path), "w") as out:
        video = given.streams.video[0]
        copy = out.add_stream_from_template(video)
        for number, packet in enumerate(packet for packet in given.demux(video) if packet.size):
            if number % every == every - 1:
                whole, packet = packet, Packet(spoil(bytes(packet)))
                packet.pts, packet.dts, packet.time_base = whole.pts, whole.dts, whole.time_base
                packet.is_keyframe = whole.is_keyframe
                hit.append(number)
            packet.stream = copy
            out.mux(packet)
    return hit


def tone(path: Path) -> Path:
    """A second of sound without pictures."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=8000)
        for i in range(8):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 8000, 1024 * i
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path
