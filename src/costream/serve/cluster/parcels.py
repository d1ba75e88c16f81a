"""Stills and clips as they come from nodes to the data folder."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, time
from typing import Protocol

from costream.errors import CoStreamError, UnknownError
from costream.serve.cameras.media import MediaFolder, partial_of
from costream.serve.cluster.courier import Parcel
from costream.serve.events.event import EventMessage
from costream.serve.events.ulid import is_ulid
from costream.serve.store.record import Media, Record
from costream.serve.store.store import Store

AT_ONCE = 4
"""Files that are fetched at a time."""

AWAITED = 60.0
"""Seconds for which the event of a file may not be in the store yet."""

AGAIN = 5.0
"""Seconds after which a file that could not be fetched or kept is tried again."""

SUFFIXES = frozenset({".jpg", ".mp4", ".mkv"})
"""Of stills and clips."""

logger = logging.getLogger("costream")


class ParcelSource(Protocol):
    """Where files come from. Any thread may use it; it raises ``ClusterError``."""

    def read(self, node: str, number: int, offset: int) -> bytes:
        """Returns some bytes of a node's file; none behind its end."""
        ...

    def done(self, node: str, number: int, media: Media | None) -> None:
        """Says that a node's file is kept, or never will be."""
        ...


class Parcels:
    """Fetches files of events and keeps them. Any thread may use it.

    Args:
        store: the events.
        folder: where stills and clips are kept.
        source: where they come from.
        on_message: told of an event that is over and was given a file.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        source: ParcelSource,
        on_message: Callable[[EventMessage], None],
    ) -> None:
        self._store = store
        self._media = MediaFolder(folder)
        self._source = source
        self._on_message = on_message
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str, str], float] = {}
        self._not_before: dict[tuple[str, int], float] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, "costream-parcels")

    def fetch(self, node: str, parcels: Sequence[Parcel]) -> None:
        """Begins to fetch files of a node that are not being fetched yet."""
        for parcel in parcels:
            key = (node, parcel.number)
            with self._lock:
                if monotonic() < self._not_before.get(key, 0.0):
                    continue
                self._not_before[key] = math.inf
            self._pool.submit(self._take, node, parcel)

    def close(self) -> None:
        """Waits for the files that are being fetched."""
        self._pool.shutdown(cancel_futures=True)

    def _take(self, node: str, parcel: Parcel) -> None:
        again = monotonic() + AGAIN
        try:
            self._keep(node, parcel)
            again = 0.0
        except UnknownError:
            self._await_event(node, parcel)
        except (CoStreamError, OSError) as error:
            logger.warning(
                "a %s of event %s is fetched again: %s", parcel.kind, parcel.event, error
            )
        except Exception as error:  # this file's alone
            logger.error("a %s of event %s", parcel.kind, parcel.event, exc_info=error)
        finally:
            with self._lock:
                del self._not_before[node, parcel.number]
                if again:
                    self._not_before[node, parcel.number] = again

    def _keep(self, node: str, parcel: Parcel) -> None:
        if not is_ulid(parcel.event) or parcel.suffix not in SUFFIXES:
            logger.warning("node %s has a file that is no still and no clip", node)
            self._source.done(node, parcel.number, None)
            return
        start = self._store.event(parcel.event).start
        path = self._media.path(parcel.event, start, parcel.suffix)
        partial = partial_of(path)
        with partial.open("wb") as file:
            while data := self._source.read(node, parcel.number, file.tell()):
                file.write(data)
            whole = file.tell() == parcel.bytes
        if not whole:  # the node is done with it, or it grew
            partial.unlink()
            return
        partial.replace(path)
        media = self._store.describe(parcel.kind, path)
        self._store.add_media(parcel.event, media, self._report)
        self._source.done(node, parcel.number, media)
        self._seen.pop((node, parcel.event, parcel.kind), None)

    def _await_event(self, node: str, parcel: Parcel) -> None:
        """Gives up a file whose event does not come into the store."""
        key = (node, parcel.event, parcel.kind)
        since = self._seen.setdefault(key, monotonic())
        if monotonic() - since > AWAITED:
            del self._seen[key]
            self._source.done(node, parcel.number, None)

    def _report(self, record: Record) -> None:
        if record.closed:
            self._on_message(EventMessage("update", record.event, time()))
