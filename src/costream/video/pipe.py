"""Pipes as sources: standard input and FIFOs, read with a time limit that FFmpeg's have not."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from costream.errors import SourceError
from costream.video.interruption import carried
from costream.video.readiness import await_readable

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Pipe:
    """Reads a descriptor, and does not wait for its writer for ever.

    Attributes:
        name: as it is called in messages.
    """

    def __init__(self, descriptor: int, name: str, timeout: float, *, owned: bool) -> None:
        """Takes a descriptor.

        Args:
            descriptor: open for reading.
            name: as it is called in messages.
            timeout: seconds to wait for each read, the first of which may wait for a writer.
            owned: :meth:`close` closes it.
        """
        self._descriptor: int | None = descriptor
        self.name = name
        self._timeout = timeout
        self._owned = owned

    @classmethod
    def standard_input(cls, timeout: float) -> Pipe:
        """Takes standard input.

        Raises:
            SourceError: it is closed, or neither a pipe nor a file.
        """
        try:
            descriptor = sys.stdin.fileno()
            mode = os.fstat(descriptor).st_mode
        except (AttributeError, OSError, ValueError):
            # Python has no stdin where the process was started without.
            raise SourceError("can't read standard input: it is closed") from None
        if os.isatty(descriptor):
            raise SourceError("can't read standard input: it is a terminal: pipe a video into it")
        kind = None if stat.S_ISSOCK(mode) else unreadable_kind(mode)
        if kind:
            raise SourceError(f"can't read standard input: it is {kind}: pipe a video into it")
        return cls(descriptor, "standard input", timeout, owned=False)

    @classmethod
    def fifo(cls, path: Path, timeout: float) -> Pipe:
        """Opens a FIFO at once, whether it has a writer already or not.

        Raises:
            OSError: it can't be opened.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        return cls(descriptor, str(path), timeout, owned=True)

    def read(self, size: int) -> bytes:
        """Returns what is there, once something is; nothing after the last writer has gone.

        Raises:
            TimeoutError: nobody wrote anything for too long.
        """
        if self._descriptor is None:
            return b""
        with carried():
            if not await_readable(self._descriptor, self._timeout):
                raise TimeoutError
            return os.read(self._descriptor, size)

    def close(self) -> None:
        if self._owned and self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None


def unreadable_kind(mode: int) -> str | None:
    """Returns what a file is, by its mode, if it is of a kind that holds no video."""
    return next((kind for matches, kind in _KINDS if matches(mode)), None)


def is_fifo(path: Path) -> bool:
    """Whether there is a FIFO of this name."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False
