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
from costream.serve.api.sessions import Attempts, Sessions
from costream.serve.config.model import ServerConfig

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
        wait: seconds after which a further token may be tried, where too many were wrong.
    """

    read: bool
    change: bool
    known: Literal["no", "wrong", "token", "session"] = "no"
    wait: float = 0.0


def token_of(server: ServerConfig) -> str | None:
    """Returns the token of a configuration, or None where there is none.

    Raises:
        SettingsError: its file can't be read, or it is empty.
    """
    if server.token is not None:
        token = server.token.get_secret_value().strip()
    elif server.token_file is not None:
        try:
            token = Path(server.token_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"can't read server.token_file {server.token_file}") from error
    else:
        return None
    if not token or not token.isascii() or not token.isprintable():
        raise SettingsError("server.token is empty or not plain ASCII: choose another one")
    return token


class Authority:
    """Says what a request may do.

    A token may do everything, and so may a session that a token opened. Without either a request
    may read, if it comes from this machine and the service listens on loopback alone.

    Attributes:
        has_token: whether there is a token at all.
        sessions: of browsers.
        attempts: of those who sent wrong tokens.
    """

    def __init__(self, token: str | None, hosts: Hosts) -> None:
        self.has_token = token is not None
        self.sessions = Sessions()
        self.attempts = Attempts()
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
        if scheme.lower() != "bearer":
            # Links with a user's name in them have browsers send one: nobody tries a token so.
            return Rights(read=False, change=False, known="wrong")
        peer = address_of(request)
        if wait := self.attempts.wait(peer):
            return Rights(read=False, change=False, known="wrong", wait=wait)
        if self.is_token(token.strip()):
            return Rights(read=True, change=True, known="token")
        self.attempts.failed(peer)
        return Rights(read=False, change=False, known="wrong")


def address_of(request: HTTPConnection) -> str:
    """Returns the address of whoever sent a request."""
    return request.client.host if request.client else ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
