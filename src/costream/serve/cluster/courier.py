"""Stills and clips on their way from a node to the front end, which keeps them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from costream.serve.store.record import Media

CHUNK = 4 << 20
"""Bytes that are fetched at a time."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file of an event that the front end is to fetch.

    Attributes:
        number: its place among the node's.
        kind: what it is.
        event: the event's id.
        suffix: of its name, such as ``.jpg``.
        bytes: its size.
    """

    number: int
    kind: Literal["still", "clip"]
    event: str
    suffix: str
    bytes: int


class _Waiting:
    def __init__(self, parcel: Parcel, path: Path) -> None:
        self.parcel = parcel
        self.path = path
        self.stored = threading.Event()


class Courier:
    """Keeps files until the front end has them. Any thread may use it.

    Args:
        on_stored: told of an event and its file, once the front end has it.
    """

    def __init__(self, on_stored: Callable[[str, Media], None]) -> None:
        self._on_stored = on_stored
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Waiting] = {}

    def send(self, kind: Literal["still", "clip"], event: str, path: Path) -> threading.Event:
        """Has a file be fetched; returns what is set once the front end has it.

        Raises:
            OSError: the file can't be read.
        """
        parcel = Parcel(next(self._numbers), kind, event, path.suffix, path.stat().st_size)
        waiting = _Waiting(parcel, path)
        with self._lock:
            self._waiting[parcel.number] = waiting
        return waiting.stored

    def parcels(self) -> tuple[Parcel, ...]:
        """Returns the files that wait, oldest first."""
        with self._lock:
            return tuple(waiting.parcel for waiting in self._waiting.values())

    def read(self, number: int, offset: int) -> bytes:
        """Returns some bytes of a file; none behind its end, or where it does not wait any more.

        Raises:
            OSError: it can't be read.
        """
        with self._lock:
            waiting = self._waiting.get(number)
        if waiting is None:
            return b""
        with waiting.path.open("rb") as file:
            file.seek(offset)
            return file.read(CHUNK)

    def done(self, number: int, media: Media | None) -> None:
        """Removes a file that the front end has, or will never take.

        Args:
            number: the parcel's.
            media: the file as the front end keeps it; None where it does not.
        """
        with self._lock:
            waiting = self._waiting.pop(number, None)
        if waiting is None:
            return
        waiting.path.unlink(missing_ok=True)
        if media is not None:
            self._on_stored(waiting.parcel.event, media)
        waiting.stored.set()
