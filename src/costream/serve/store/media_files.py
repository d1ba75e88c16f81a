"""Stills and clips: rows about them, and the files, which lie in the data folder."""

from __future__ import annotations

import logging
import os
from pathlib import Path, PurePosixPath

from sqlalchemy import Connection, func, select, update

from costream.errors import SettingsError
from costream.serve.events.ulid import is_ulid
from costream.serve.store import event_rows
from costream.serve.store.record import Media
from costream.serve.store.schema import EVENTS, MEDIA

logger = logging.getLogger("costream")

MEDIA_FOLDER = "media"
"""Where stills and clips lie within the data folder, named after their events."""

_ORPHAN = 86400.0

_BATCH = 200
"""Events that one write removes, so that no other waits long."""


class MediaFiles:
    """The files of events below one folder.

    Nothing outside the folder is ever read or removed, and no link within it is followed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def describe(self, kind: str, file: Path) -> Media:
        """Returns a file as the store keeps it.

        Raises:
            SettingsError: it is no plain file within the data folder.
        """
        path = file.absolute()
        try:
            within = PurePosixPath(path.resolve().relative_to(self._folder))
        except ValueError:
            within = None
        if within is None or not self._plain(self._folder / within) or path.is_symlink():
            raise SettingsError(
                f"{file.name} can't be kept with an event: write it within the data folder, as a "
                "file and not as a link"
            )
        return Media("still" if kind == "still" else "clip", within, path.stat().st_size)

    def put(self, connection: Connection, event: str, media: Media) -> None:
        """Writes down a file of an event."""
        key = {"event": event, "kind": media.kind}
        event_rows.put(connection, MEDIA, key, {"path": str(media.path), "bytes": media.bytes})

    def path(self, connection: Connection, event: str, kind: str) -> Path | None:
        """Returns a file of an event, if there is one."""
        rows = select(MEDIA.c.path).where(MEDIA.c.event == event, MEDIA.c.kind == kind)
        within = connection.scalar(rows)
        if within is None:
            return None
        file = self._folder / within
        return file if self._plain(file) else None

    def remove_event(self, connection: Connection, event: str) -> None:
        """Removes an event with its files: these first, so that a crash leaves none behind."""
        self._unlink(connection, event)
        event_rows.remove(connection, event)

    def remove_older(self, connection: Connection, moment: float) -> bool:
        """Removes some of the events that were over before a moment; returns whether all."""
        old = select(EVENTS.c.id).where(EVENTS.c.closed, EVENTS.c.ended < moment)
        events = connection.scalars(old.order_by(EVENTS.c.id).limit(_BATCH)).all()
        for event in events:
            self.remove_event(connection, event)
        return len(events) < _BATCH

    def remove_beyond(self, connection: Connection, limit: int) -> bool:
        """Removes files of the oldest events while all take more bytes; returns whether done."""
        excess = (connection.scalar(select(func.sum(MEDIA.c.bytes))) or 0) - limit
        if excess <= 0:
            return True
        sizes = select(MEDIA.c.event, func.sum(MEDIA.c.bytes)).join(
            EVENTS, EVENTS.c.id == MEDIA.c.event
        )
        oldest = sizes.where(EVENTS.c.closed).group_by(MEDIA.c.event).order_by(MEDIA.c.event)
        rows = connection.execute(oldest.limit(_BATCH)).all()
        for event, size in rows:
            if excess <= 0:
                return True
            self._unlink(connection, event)
            self._forget(connection, event)
            excess -= int(size)
        return len(rows) < _BATCH

    def sweep(self, connection: Connection, now: float) -> None:
        """Removes files of events below ``media`` that no event knows and that are a day old."""
        for folder, _, names in os.walk(self._folder / MEDIA_FOLDER):
            for file in (Path(folder) / name for name in names):
                if is_ulid(file.name.split(".")[0]) and self._orphaned(connection, file, now):
                    self._remove(file)

    def _orphaned(self, connection: Connection, file: Path, now: float) -> bool:
        try:
            age = now - file.lstat().st_mtime
        except OSError:
            return False
        within = file.relative_to(self._folder).as_posix()
        known = select(MEDIA.c.event).where(MEDIA.c.event == file.name.split(".")[0])
        return age > _ORPHAN and not connection.scalars(known.where(MEDIA.c.path == within)).all()

    def _forget(self, connection: Connection, event: str) -> None:
        connection.execute(MEDIA.delete().where(MEDIA.c.event == event))
        none = {"still": False, "clip": False}
        connection.execute(update(EVENTS).where(EVENTS.c.id == event).values(none))

    def _unlink(self, connection: Connection, event: str) -> None:
        for path in connection.scalars(select(MEDIA.c.path).where(MEDIA.c.event == event)).all():
            self._remove(self._folder / path)

    def _remove(self, file: Path) -> None:
        if not self._plain(file):
            return
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s can't be removed: %s", file, error.strerror)

    def _plain(self, file: Path) -> bool:
        """Whether a file is one and no part of its path below the folder is a link."""
        normal = Path(os.path.normpath(file))
        if not normal.is_relative_to(self._folder) or normal == self._folder:
            return False
        return file.is_file() and Path(os.path.realpath(file)) == normal
