"""User and password of a source, kept out of its name and of every message."""

from __future__ import annotations

import logging
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from costream.errors import SettingsError
from costream.video.naming import plain_reason

VARIABLE = "COSTREAM_CREDENTIALS"
"""The environment variable that holds ``user:password``."""

_LONGEST = 4096
"""Characters of a file that are looked at."""

logger = logging.getLogger("costream")

_TAKING = re.compile(r"(?P<scheme>(?:https?|rtsps?|rtmp[a-z]*)://)(?P<rest>.*)", re.I | re.S)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a camera or server asks for. The password is in no ``repr``.

    Attributes:
        user: may not hold a colon, as no protocol could tell it from the password's start.
        password: may hold anything.
    """

    user: str
    password: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, origin: str) -> Credentials:
        """Reads ``user:password``; the password begins after the first colon.

        Args:
            text: what was found.
            origin: where, for messages.

        Raises:
            SettingsError: it is not of that form. The message does not repeat it.
        """
        user, colon, password = text.partition(":")
        if not (user and colon) or any(ord(letter) < 32 for letter in text):
            raise SettingsError(f"{origin} does not hold user:password on one line")
        return cls(user, password)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Credentials:
        """Reads a file whose first line is ``user:password``, in UTF-8.

        A warning says so if every user of this machine can read it.

        Raises:
            SettingsError: it can't be read, or its first line is of another form.
        """
        try:
            with Path(path).open(encoding="utf-8-sig") as file:
                line = file.readline(_LONGEST)
                everyone = os.fstat(file.fileno()).st_mode & stat.S_IROTH
        except OSError as error:
            cause = plain_reason(error)
            raise SettingsError(f"can't read the credentials file {path}: {cause}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"the credentials file {path} is not text in UTF-8") from None
        found = cls.parse(line.rstrip("\r\n"), f"the credentials file {path}")
        if everyone:
            logger.warning("every user can read the credentials file %s: chmod 600 it", path)
        return found

    @classmethod
    def from_environment(cls) -> Credentials | None:
        """Returns what :data:`VARIABLE` holds, or None where it is not set or empty.

        Raises:
            SettingsError: it holds something of another form.
        """
        text = os.environ.get(VARIABLE)
        return cls.parse(text, f"the environment variable {VARIABLE}") if text else None

    def into(self, url: str) -> str:
        """Returns an http, rtsp or rtmp URL with the credentials in it, percent-encoded.

        A URL that names a user already, and any other source, is returned as it is.
        """
        match = _TAKING.fullmatch(url)
        if match is None or "@" in re.split(r"[/?#]", match["rest"], maxsplit=1)[0]:
            return url
        user, password = quote(self.user, safe=""), quote(self.password, safe="")
        return f"{match['scheme']}{user}:{password}@{match['rest']}"

    @classmethod
    def split(cls, url: str) -> tuple[str, Credentials | None]:
        """Returns a URL without the user that it names, and that user with the password."""
        scheme, _, rest = url.partition("://")
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        named, at, _ = authority.rpartition("@")
        if not at:
            return url, None
        user, _, password = named.partition(":")
        bare = f"{scheme}://{rest[len(named) + 1 :]}"
        return bare, cls(unquote(user), unquote(password))
