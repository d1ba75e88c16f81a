"""How other processes open a file under test: without torch, which this module does not import."""

from __future__ import annotations

from pathlib import Path

from costream.video import Stream


class Connect:
    """Makes a stream of a file; it can be pickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> Stream:
        """Returns the stream."""
        return Stream(self.path, motion=False)
