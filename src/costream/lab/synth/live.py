"""A synthetic camera that is on the air: frames are rendered and encoded as they are read."""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType
from typing import BinaryIO, Protocol, cast

from costream.errors import SettingsError
from costream.lab.synth.encoder import Encoder, EncoderSettings, Pixels
from costream.video.readiness import await_writable

POLL = 0.1
"""Seconds after which a writer that waits for its reader looks whether it should stop."""


class Camera(Protocol):
    """Whatever renders frames by index: a synthetic camera or a world."""

    width: int
    height: int
    fps: float

    def frame(self, index: int, /) -> Pixels:
        """Renders a frame: uint8 [height, width, 3], red first."""


class LiveCamera:
    """Sends a camera's frames as MPEG-TS through a pipe, from a thread of its own.

    ::

        with LiveCamera(SyntheticCamera(seed=7), seconds=60) as live:
            for sample in Stream(live.file).samples(fps=2): ...

    The pipe is bounded: a slow reader holds the camera up, nothing piles up. The thread ends when
    ``seconds`` are over, when the reader closes :attr:`file`, or when the context is left,
    whichever is first, and leaving the context waits for it and closes the file.

    Args:
        camera: what to send. It belongs to the live camera until the context is left.
        seconds: length of the stream, or None for one without an end.
        realtime: send at the camera's frame rate; otherwise as fast as it is read.
        settings: how to encode; by default H.264 without delay, as network cameras do.
        start: index of the first frame.

    Raises:
        SettingsError: ``seconds`` is not positive.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        seconds: float | None = None,
        realtime: bool = True,
        settings: EncoderSettings | None = None,
        start: int = 0,
    ) -> None:
        if seconds is not None and not seconds > 0:
            raise SettingsError(f"seconds must be positive or None, not {seconds}")
        self.camera = camera
        self._count = None if seconds is None else max(1, round(seconds * camera.fps))
        self._realtime = realtime
        self._settings = settings or EncoderSettings(low_delay=True)
        self._start = start
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._file: BinaryIO | None = None
        self._error: Exception | None = None

    @property
    def file(self) -> BinaryIO:
        """The stream to read: unbuffered, so that a read returns what there is.

        Raises:
            RuntimeError: the context has not been entered.
        """
        if self._file is None:
            raise RuntimeError("a live camera is on the air within its context only: use `with`")
        return self._file

    @property
    def running(self) -> bool:
        """Whether the camera still sends."""
        return self._thread is not None and self._thread.is_alive()

    def __enter__(self) -> LiveCamera:
        if self._thread is not None:
            raise RuntimeError("a live camera can be started once: make a new one")
        reading, writing = os.pipe()
        self._file = cast(BinaryIO, os.fdopen(reading, "rb", buffering=0))
        self._thread = threading.Thread(
            target=self._send, args=(writing,), name="live-camera", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the stream; raises what went wrong in the thread unless something else did first."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self._file is not None:
            self._file.close()
        if kind is None and self._error is not None:
            raise self._error

    def _send(self, descriptor: int) -> None:
        size = self.camera.width, self.camera.height
        try:
            with Encoder(
                _PipeEnd(descriptor, self._stopping), size, self.camera.fps, self._settings
            ) as encoder:
                self._render(encoder)
        except BrokenPipeError:
            pass  # The reader has had enough.
        except Exception as failure:  # Carried over to the thread that leaves the context.
            self._error = failure
        finally:
            os.close(descriptor)

    def _render(self, encoder: Encoder) -> None:
        begin, index = time.monotonic(), 0
        while not self._stopping.is_set() and (self._count is None or index < self._count):
            if self._realtime and self._sleep_until(begin + index / self.camera.fps):
                return
            encoder.add(self.camera.frame(self._start + index))
            index += 1

    def _sleep_until(self, moment: float) -> bool:
        """Waits; returns True where the wait was cut short because the camera is to stop."""
        return self._stopping.wait(max(0.0, moment - time.monotonic()))


class _PipeEnd:
    """The pipe's end for writing. It waits for a slow reader, but not once it is told to stop."""

    def __init__(self, descriptor: int, stopping: threading.Event) -> None:
        self._descriptor = descriptor
        self._stopping = stopping
        os.set_blocking(descriptor, False)

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        while left:
            if not await_writable(self._descriptor, POLL):
                if self._stopping.is_set():
                    raise BrokenPipeError("the camera was told to stop")
                continue
            left = left[self._put(left) :]
        return len(data)

    def _put(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0  # A pipe can be ready for less than a whole write.
