"""The service that an edge sends to, as HTTP has it."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from costream.edge.messages import LARGEST_WISH, Wanted
from costream.edge.numbers import LARGEST_REAL
from costream.edge.wire import FRAMED
from costream.errors import DeliveryError, RejectedError, SettingsError, SupersededError
from costream.printable import printable

TIMEOUT = 30.0
"""Seconds for which a connection may stand still."""

MAX_WANTED = 16
"""Stretches that are wanted at once."""

_CHUNK = 16 << 10
_LARGEST_ANSWER = 1 << 20
_REFUSALS = frozenset({401, 403, 404, 405, 409, 413, 415, 421})
_SUPERSEDED = 410
_NOT_UNDERSTOOD = 422


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver says to a request.

    Attributes:
        instance: how it names itself. Another one knows nothing of what was sent before.
        next: number of the record that it expects next.
        fps: at which the camera is to be sampled.
        busy: it takes no more for a moment.
        wanted: what it wants in full.
        sent: bytes of the request, its head included.
    """

    instance: str
    next: int
    fps: float
    busy: bool
    wanted: tuple[Wanted, ...]
    sent: int


class Receiver:
    """Sends requests, one after the other, over a connection that is kept. One thread uses it.

    Args:
        url: of the camera's push endpoint: ``https://host/api/cameras/ID/push``.
        token: that lets it send; none is sent where None.
        timeout: seconds for which a connection may stand still.

    Raises:
        SettingsError: the URL is none, or would send the token over a network unencrypted.
    """

    def __init__(self, url: str, token: str | None, timeout: float = TIMEOUT) -> None:
        parts = _checked(url)
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._path = parts.path or "/"
        if token is not None and not self._tls and not _is_loopback(self._host):
            raise SettingsError(
                f"the token would go to {self._host} unencrypted: use https, or a tunnel to this "
                "machine"
            )
        if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
            raise SettingsError("the token holds what can't stand in a header: check its file")
        self._token = token
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._context = ssl.create_default_context() if self._tls else None

    def send(self, body: Sequence[bytes]) -> Answer:
        """Sends a request and returns the answer.

        Args:
            body: its parts.

        Raises:
            SupersededError: the receiver hears a newer edge.
            RejectedError: the receiver refuses it, or is not trusted, until something is changed.
            SettingsError: it does not understand it.
            DeliveryError: it could not be sent, or was not answered: it may have arrived.
        """
        try:
            sent, status, told = self._exchange(body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            cause = f"can't reach {self._host}: {_reason(error)}"
            if isinstance(error, ssl.SSLCertVerificationError):
                raise RejectedError(cause) from None
            raise DeliveryError(cause) from None
        if status != 200:
            self.close()
            cause = f"{self._host} answers {status}: {_told(told)}"
            if status == _NOT_UNDERSTOOD:
                raise SettingsError(cause)
            if status == _SUPERSEDED:
                raise SupersededError(cause)
            raise RejectedError(cause) if status in _REFUSALS else DeliveryError(cause)
        return _answer(told, sent)

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, body: Sequence[bytes]) -> tuple[int, int, bytes]:
        connection = self._connection = self._connection or self._connect()
        length = sum(map(len, body))
        head = self._head(connection, length)
        for chunk in _chunks(body):
            connection.send(chunk)
        answer = connection.getresponse()
        told = answer.read(_LARGEST_ANSWER)
        if answer.will_close:
            self.close()
        return head + length, answer.status, told

    def _head(self, connection: http.client.HTTPConnection, length: int) -> int:
        """Sends a request's head; returns how long it is."""
        connection.putrequest("POST", self._path, skip_accept_encoding=True)
        headers = request_headers(self._token, length)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        return head_size(self._path, f"{self._host}:{connection.port}", headers)

    def _connect(self) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=self._context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)


def request_headers(token: str | None, length: int) -> dict[str, str]:
    """Returns the headers of a request, but for its host."""
    headers = {"Content-Type": FRAMED, "Content-Length": str(length)}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def head_size(path: str, host: str, headers: Mapping[str, str]) -> int:
    """Returns the bytes of a request's head."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return sum(len(line) + 2 for line in lines) + 2


def _checked(url: str) -> Any:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        valid = valid and (parts.port is None or parts.port > 0) and parts.path.isprintable()
    except ValueError:
        valid = False
    if not valid or not url.isascii() or " " in url:
        raise SettingsError(
            "the receiver's URL is none: write such as https://host/api/cameras/door/push"
        )
    if parts.username is not None or parts.query:
        raise SettingsError(
            "the receiver's URL holds more than host and path: give the token in a file or in "
            "COSTREAM_TOKEN"
        )
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _chunks(body: Sequence[bytes]) -> Iterator[bytes]:
    """Yields a body in pieces that a slow line takes within the timeout, none of them small."""
    waiting = b"".join(body) if sum(map(len, body)) <= _CHUNK else None
    if waiting is not None:
        yield waiting
        return
    for part in body:
        for at in range(0, len(part), _CHUNK):
            yield part[at : at + _CHUNK]


def _reason(error: Exception) -> str:
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "nothing moved for too long"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({error.verify_message}): SSL_CERT_FILE names a file "
            "of authorities that are"
        )
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _told(body: bytes) -> str:
    try:
        return printable(str(json.loads(body)["error"]["message"])[:300])
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _answer(body: bytes, sent: int) -> Answer:
    try:
        found = json.loads(body)["edge"]
        answer = Answer(
            str(found["instance"]),
            int(found["next"]),
            float(found["fps"]),
            bool(found["busy"]),
            tuple(Wanted(int(one["id"]), float(one["seconds"])) for one in found["wanted"]),
            sent,
        )
        if not _makes_sense(answer):
            raise ValueError
        return answer
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise RejectedError(
            "what answers is no receiver of an edge: check that the URL ends in "
            "/api/cameras/ID/push and that the camera's url is edge"
        ) from None


def _makes_sense(answer: Answer) -> bool:
    return (
        answer.next >= 0
        and 0 < answer.fps <= LARGEST_REAL
        and len(answer.wanted) <= MAX_WANTED
        and all(
            0 <= one.id <= LARGEST_WISH and 0 <= one.seconds <= LARGEST_REAL
            for one in answer.wanted
        )
    )
