"""Who may read and who may change: the token, and the sessions that it opens."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from starlette.requests import HTTPConnection

from costream.errors import SettingsError
from costream.serve.api.hosts import Hosts
from costream.serve.api.sessions import Sessions
from costream.serve.config.model import ServerConfig
from costream.serve.config.server_check import token_flaw

COOKIE = "costream_session"

HOW_TO_SET = "set server.token or server.token_file in the service's file, and start it again"

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


@dataclass(frozen=True, slots=True)
class Rights:
    """What a request may do.

    Attributes:
        read: whether it may look.
        change: whether it may change anything.
        known: how it made itself known; ``wrong`` where its token is not ours.
    """

    read: bool
    change: bool
    known: Literal["no", "wrong", "token", "session"] = "no"


def token_of(server: ServerConfig) -> str | None:
    """Returns the token of a configuration, or None where there is none.

    Raises:
        SettingsError: its file can't be read, or it could be guessed.
    """
    if server.token is not None:
        where, token = "server.token", server.token.get_secret_value().strip()
    elif server.token_file is not None:
        where = f"server.token_file {server.token_file}"
        try:
            token = Path(server.token_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"can't read {where}") from error
    else:
        return None
    if flaw := token_flaw(token):
        raise SettingsError(f"{where}: {flaw}")
    return token


class Authority:
    """Says what a request may do.

    A token may do everything, and so may a session that a token opened. Without either a request
    may read, if it comes from this machine and the service listens on loopback alone.

    Wrong tokens are refused and keep nobody out: behind a proxy all clients have one address, so
    that anybody could lock out all others. What keeps guessing hopeless is the token's length
    (:func:`~costream.serve.config.server_check.token_flaw`).

    Attributes:
        has_token: whether there is a token at all.
        sessions: of browsers.
    """

    def __init__(self, token: str | None, hosts: Hosts) -> None:
        self.has_token = token is not None
        self.sessions = Sessions()
        self._hosts = hosts
        self._digest = _digest(token or "")

    def rights(self, request: HTTPConnection) -> Rights:
        """Returns what a request may do."""
        if request.headers.get("authorization") and self.has_token:
            return self._by_header(request)
        if self.sessions.valid(request.cookies.get(COOKIE, "")):
            return Rights(read=True, change=True, known="session")
        forwarded = any(name in request.headers for name in _FORWARDED)
        local = self._hosts.is_local(request.headers.get("host", ""))
        return Rights(read=local and not forwarded, change=False)

    def is_token(self, text: str) -> bool:
        """Whether a text is the token; takes as long for any text."""
        return hmac.compare_digest(_digest(text), self._digest) and self.has_token

    def _by_header(self, request: HTTPConnection) -> Rights:
        scheme, _, token = request.headers["authorization"].partition(" ")
        if scheme.lower() == "bearer" and self.is_token(token.strip()):
            return Rights(read=True, change=True, known="token")
        return Rights(read=False, change=False, known="wrong")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
