"""Ctrl-C while FFmpeg reads through us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Interruption(Exception):
    """A KeyboardInterrupt under way through FFmpeg, where PyAV would drop that itself."""


@contextmanager
def carried() -> Iterator[None]:
    """Sends a KeyboardInterrupt through FFmpeg, for :func:`delivered`."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interruption from None


@contextmanager
def delivered() -> Iterator[None]:
    """Makes a KeyboardInterrupt of what comes out of FFmpeg again."""
    try:
        yield
    except Interruption:
        raise KeyboardInterrupt from None
