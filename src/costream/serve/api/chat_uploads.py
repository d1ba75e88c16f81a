"""Videos that were uploaded, in a folder of their own, until they expire."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from costream.errors import UnknownError
from costream.serve.api.chat_errors import ApiError

KEPT = 86400.0
"""Seconds after which an upload is deleted."""

TOTAL = 4
"""Most bytes of all uploads, as a multiple of the largest one."""

MOST = 1000
"""Most uploads."""

_ID = re.compile(r"file-[0-9a-f]{24}")
_UNFINISHED = ".part"
_NOTE = ".json"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was uploaded.

    Attributes:
        id: its id.
        filename: as its sender calls it; never a path here.
        purpose: as its sender says.
        bytes: its length.
        created: when it came, seconds since 1970.
        sha256: of its content, in hexadecimal.
    """

    id: str
    filename: str
    purpose: str
    bytes: int
    created: float
    sha256: str


class Incoming:
    """A file while it comes.

    Args:
        file: where it is written.
        limit: most bytes.
    """

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self.bytes = 0
        self._file = file
        self._limit = limit
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Takes the next bytes.

        Raises:
            ApiError: they are too many.
        """
        self.bytes += len(data)
        if self.bytes > self._limit:
            raise too_large(self._limit)
        self._hash.update(data)
        self._file.write(data)

    def flush(self) -> None:
        """Hands on to the system what was written."""
        self._file.flush()

    @property
    def sha256(self) -> str:
        """Of what came so far, in hexadecimal."""
        return self._hash.hexdigest()


class Uploads:
    """The uploads of a service. Any thread may use them.

    A file counts once it is complete: what a crash leaves behind is deleted with the next upload.

    Args:
        folder: where they lie.
        limit: bytes of the largest one.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.limit = limit
        self._folder = folder
        self._lock = threading.Lock()
        self._coming: dict[str, Incoming] = {}

    @contextmanager
    def incoming(self, announced: int = 0) -> Iterator[tuple[str, Incoming]]:
        """Gives a new id and a file to write to; unless it is kept, it is deleted at the end.

        Args:
            announced: bytes that are said to come.

        Raises:
            ApiError: there is no room.
        """
        id = f"file-{secrets.token_hex(12)}"
        path = self._folder / f"{id}{_UNFINISHED}"
        with self._lock:
            room = self._room()
            if room < max(announced, 1):
                raise ApiError(
                    413, "there is no room for further uploads: delete some", code="no_room"
                )
            file = path.open("xb")
            self._coming[id] = incoming = Incoming(file, min(self.limit, room))
        try:
            with file:
                yield id, incoming
        finally:
            with self._lock:
                del self._coming[id]
            path.unlink(missing_ok=True)

    def keep(self, id: str, incoming: Incoming, filename: str, purpose: str) -> Upload:
        """Keeps a file that has come; its writing is complete."""
        upload = Upload(
            id,
            filename[:200] or "video",
            purpose,
            incoming.bytes,
            time.time(),
            incoming.sha256,
        )
        (self._folder / f"{id}{_UNFINISHED}").replace(self._folder / id)
        note = self._folder / f"{id}{_NOTE}"
        part = note.with_suffix(_UNFINISHED + _NOTE)
        part.write_text(json.dumps(asdict(upload)))
        part.replace(note)
        return upload

    def list(self) -> list[Upload]:
        """Returns all of them, the newest first."""
        with self._lock:
            self._sweep()
            found = [self._read(note) for note in self._folder.glob(f"file-*{_NOTE}")]
        known = [upload for upload in found if upload is not None]
        return sorted(known, key=lambda upload: upload.created, reverse=True)

    def get(self, id: str) -> Upload:
        """Returns one of them.

        Raises:
            UnknownError: there is none of that id, or none any more.
        """
        found = self._read(self._folder / f"{id}{_NOTE}") if _ID.fullmatch(id) else None
        if found is None or found.created + KEPT < time.time():
            raise UnknownError(f"there is no file {id[:64]!r}, or none any more: upload it again")
        return found

    def path(self, upload: Upload) -> Path:
        """Returns where its content is."""
        return self._folder / upload.id

    def remove(self, id: str) -> None:
        """Deletes one.

        Raises:
            UnknownError: there is none of that id.
        """
        self._delete(self.get(id).id)

    def forget(self, upload: Upload) -> None:
        """Deletes an upload, if it is still there."""
        self._delete(upload.id)

    def _room(self) -> int:
        """Bytes that may still come; deletes what has expired first."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        files = [path for path in self._folder.iterdir() if path.suffix != _NOTE]
        taken = sum(_size(path) for path in files if path.suffix != _UNFINISHED)
        coming = sum(incoming.bytes for incoming in self._coming.values())
        return 0 if len(files) >= MOST else TOTAL * self.limit - taken - coming

    def _sweep(self) -> None:
        now = time.time()
        for path in list(self._folder.glob("file-*")):
            id = path.name.partition(".")[0]
            note = self._read(self._folder / f"{id}{_NOTE}")
            unknown = note is None and id not in self._coming and _age(path, now) > 60
            if unknown or (note is not None and note.created + KEPT < now):
                self._delete(id)

    def _delete(self, id: str) -> None:
        for suffix in (_NOTE, "", _UNFINISHED, _UNFINISHED + _NOTE):
            (self._folder / f"{id}{suffix}").unlink(missing_ok=True)

    def _read(self, note: Path) -> Upload | None:
        with suppress(FileNotFoundError, ValueError, TypeError):
            return Upload(**json.loads(note.read_text()))
        return None


@contextmanager
def stored() -> Iterator[None]:
    """Stands around what stores a video.

    Raises:
        ApiError: the disk is full, or can't be written.
    """
    try:
        yield
    except OSError as error:
        raise ApiError(507, "the service can't store this video", code="no_room") from error


def too_large(limit: int) -> ApiError:
    """Returns what is said of a file that is too large."""
    return ApiError(413, f"a video may have {limit} bytes at most", code="too_large")


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _age(path: Path, now: float) -> float:
    with suppress(FileNotFoundError):
        return now - path.stat().st_mtime
    return 0.0
