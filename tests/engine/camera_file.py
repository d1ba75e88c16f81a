"""How other processes open a file under test: without torch, which this module does not import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

from costream.video import FrameRecord, Sample, Stream, StreamInfo


class Connect:
    """Makes a stream of a file; it can be pickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> Stream:
        """Returns the stream."""
        return Stream(self.path, motion=False)


class Paced(Stream):
    """A file that comes as a camera's stream does, and is lost at its end."""

    @property
    def is_live(self) -> bool:
        """It has no end of its own."""
        return True

    @property
    def info(self) -> StreamInfo:
        """As of a live source."""
        return replace(super().info, live=True, awaited=True)

    def samples(
        self, fps: float, *, on_frame: Callable[[FrameRecord], None] | None = None
    ) -> Iterator[Sample]:
        """Returns samples, each when it is due."""
        begun = monotonic()
        for sample in super().samples(fps, on_frame=on_frame):
            sleep(max(0.0, begun + sample.time - monotonic()))
            yield sample


class ConnectPaced(Connect):
    """Makes a stream of a file that comes as a camera's does."""

    def __call__(self) -> Stream:
        """Returns the stream."""
        return Paced(self.path, motion=False)
