"""Waiting until a descriptor can be read or written, whatever its number.

``select.select`` takes none from 1024 on, which a service of many cameras has.
"""

from __future__ import annotations

import select
from typing import Protocol


class Descriptor(Protocol):
    """What has a descriptor, such as a socket."""

    def fileno(self) -> int:
        """Returns it."""
        ...


def await_readable(source: int | Descriptor, seconds: float | None = None) -> bool:
    """Waits until something can be read, or the other end has gone.

    Args:
        source: a descriptor, or what has one.
        seconds: to wait at most, up to 24 days; None for as long as it takes.

    Returns:
        False where the time went by before.

    Raises:
        ValueError: it is closed.
    """
    return _await(source, select.POLLIN, seconds)


def await_writable(target: int | Descriptor, seconds: float | None = None) -> bool:
    """Waits likewise until something can be written."""
    return _await(target, select.POLLOUT, seconds)


def _await(target: int | Descriptor, what: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(target, what)
    return bool(poll.poll(None if seconds is None else max(0.0, seconds) * 1000))
