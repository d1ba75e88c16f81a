"""Real encoding of rendered frames, the way that cameras do it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Protocol, cast

import av
import numpy as np
import numpy.typing as npt
from av.container import OutputContainer

from costream.errors import SettingsError
from costream.video.provenance import SYNTHETIC

Pixels = npt.NDArray[np.uint8]
Codec = Literal["libx264", "libx265"]

_PARAMS = re.compile(r"[a-z0-9-]+=[^:=]+(:[a-z0-9-]+=[^:=]+)*")


class Writable(Protocol):
    """Anything that takes bytes: an open file, the end of a pipe."""

    def write(self, data: bytes, /) -> int:
        """Takes all of ``data`` and returns its length."""


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """How frames are encoded. The defaults are those of a usual network camera.

    Attributes:
        codec: FFmpeg's name of the encoder.
        gop: frames from one I-frame to the next, always the same distance.
        bframes: B-frames in a row; cameras use none, recorders do.
        crf: constant quality, lower is better; ignored where a bit rate is given.
        bit_rate: bits a second, or None for constant quality.
        preset: the encoder's speed preset.
        low_delay: no look-ahead, so that every frame leaves the encoder at once.
        params: further settings in x264's or x265's own words, which win over the others, such as
            ``"open-gop=1:ref=4"``.

    Raises:
        SettingsError: a value is out of range, or two contradict.
    """

    codec: Codec = "libx264"
    gop: int = 50
    bframes: int = 0
    crf: float = 23.0
    bit_rate: int | None = None
    preset: str = "veryfast"
    low_delay: bool = False
    params: str = ""

    def __post_init__(self) -> None:
        if self.codec not in ("libx264", "libx265"):
            raise SettingsError(f"can't encode with {self.codec!r}: use libx264 or libx265")
        if self.gop < 1 or self.bframes < 0 or (self.bit_rate is not None and self.bit_rate < 1):
            raise SettingsError("gop and bit_rate must be at least 1, bframes at least 0")
        if self.low_delay and self.bframes:
            raise SettingsError("B-frames make the encoder wait: choose low_delay or bframes")
        if self.params and not _PARAMS.fullmatch(self.params):
            raise SettingsError(
                f"encoder settings are of the form name=value:name=value, not {self.params!r}"
            )


class Encoder:
    """Encodes frames of one size into a container, one after the other.

    Use it as a context manager: leaving it writes what the encoder still holds.

    Args:
        target: path of the file to write, or something to write bytes to. The caller closes what
            it passes in open.
        size: width and height of the frames, in pixels.
        fps: frames a second.
        settings: how to encode.
        container: FFmpeg's name of the container, such as ``mpegts``; by default it follows from
            the path's suffix, and is MPEG-TS where there is no path.

    Raises:
        SettingsError: the suffix names no container.
        OSError: the target can't be opened.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | Writable,
        size: tuple[int, int],
        fps: float,
        settings: EncoderSettings | None = None,
        *,
        container: str | None = None,
    ) -> None:
        settings = settings or EncoderSettings()
        self._container = _open(target, container)
        self._container.metadata["comment"] = SYNTHETIC
        rate = Fraction(fps).limit_denominator(1001)
        self._stream = self._container.add_stream(settings.codec, rate, options=_options(settings))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = 1
        if settings.bit_rate is not None:
            self._stream.bit_rate = settings.bit_rate
        self._time_base = 1 / rate
        self._count = 0

    def add(self, pixels: Pixels) -> None:
        """Encodes the next frame, uint8 [height, width, 3], red first.

        Raises:
            OSError: the target can't be written to.
        """
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = self._count
        frame.time_base = self._time_base
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Writes what the encoder still holds and ends the container.

        Raises:
            OSError: the target can't be written to.
        """
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def __enter__(self) -> Encoder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
            return
        # What went wrong is told already; the container's end can only fail for the same reason.
        with suppress(OSError, av.FFmpegError):
            self._container.close()


def encode(
    frames: Iterable[Pixels],
    path: str | os.PathLike[str],
    *,
    fps: float,
    settings: EncoderSettings | None = None,
) -> Path:
    """Encodes frames into a file, whose container follows from its suffix.

    Args:
        frames: uint8 [height, width, 3], at least one, all of one size.
        path: the file, such as ``camera.mp4``. An existing one is replaced.
        fps: frames a second.
        settings: how to encode; by default as a network camera does.

    Returns:
        The file's path.

    Raises:
        SettingsError: there are no frames.
        OSError: the file can't be written.
    """
    pending = iter(frames)
    first = next(pending, None)
    if first is None:
        raise SettingsError("there is nothing to encode: give at least one frame")
    height, width = first.shape[:2]
    with Encoder(path, (width, height), fps, settings) as encoder:
        encoder.add(first)
        for pixels in pending:
            encoder.add(pixels)
    return Path(path)


def _open(target: str | os.PathLike[str] | Writable, container: str | None) -> OutputContainer:
    if isinstance(target, (str, os.PathLike)):
        try:
            return av.open(os.fspath(target), mode="w", format=container)
        except ValueError as error:
            name = os.fspath(target)
            raise SettingsError(
                f"can't tell the container of {name}: end its name in .mp4, .mkv or .ts"
            ) from error
    return av.open(cast(BinaryIO, target), mode="w", format=container or "mpegts")


def _options(settings: EncoderSettings) -> dict[str, str]:
    options = {"preset": settings.preset}
    if settings.bit_rate is None:
        options["crf"] = f"{settings.crf:g}"
    if settings.low_delay:
        options["tune"] = "zerolatency"
    # I-frames at the GOP's beat alone: cameras do not look for scene cuts.
    beat: dict[str, int | str] = {
        "keyint": settings.gop,
        "min-keyint": settings.gop,
        "scenecut": 0,
        "bframes": settings.bframes,
    }
    if settings.codec == "libx265":
        beat |= {"open-gop": 0, "log-level": "none", "pools": "none", "frame-threads": 1}
    params = [f"{name}={value}" for name, value in beat.items()]
    options[f"{settings.codec.removeprefix('lib')}-params"] = ":".join(
        [*params, *([settings.params] if settings.params else [])]
    )
    return options
