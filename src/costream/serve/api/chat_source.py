"""How another process opens a video that somebody sent: without torch, which is not imported here.

A file object leads nowhere: what is uploaded can be no playlist of other files or addresses.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from costream.video import Stream


class Video(io.BufferedReader):
    """A file that is called ``<Video>`` in messages, and not by where it lies."""


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """Makes a stream of a file that somebody sent; it can be pickled.

    Attributes:
        path: the file.
        motion: whether motion vectors are taken.
    """

    path: Path
    motion: bool

    def __call__(self) -> Stream:
        """Returns the stream. The process that reads it ends with it, and closes the file."""
        return Stream(Video(io.FileIO(self.path)), motion=self.motion, name="<Video>")
