"""A folder belongs to one service at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from costream.errors import SettingsError

FILE = ".lock"


class FolderClaim:
    """Holds a folder until it is released, or the process ends however it may."""

    def __init__(self, folder: Path) -> None:
        """Claims a folder that is there.

        Raises:
            SettingsError: another service has it, or it can't be written.
        """
        try:
            self._file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(f"the folder {folder} can't be written: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise SettingsError(
                f"another service uses the folder {folder}: stop it, or name another one as `data`"
            ) from None

    def release(self) -> None:
        """Lets others have the folder."""
        os.close(self._file)
