"""Reading over http and https, through a door that refuses private addresses."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import ssl
import string
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from costream.errors import SourceError
from costream.video.address import Door, resolve
from costream.video.credentials import Credentials
from costream.video.interruption import carried

USER_AGENT = "CoStream"
PORTS = {"http": 80, "https": 443}


class Missing(OSError):
    """A server answers that it does not have, or does not give, what it was asked for.

    Attributes:
        code: its status code.
    """

    def __init__(self, code: int) -> None:
        # Not the server's own phrase, which might be anything.
        phrase = http.client.responses.get(code, "")
        super().__init__(errno.EIO, f"the server answers {code} {phrase}".rstrip())
        self.code = code


class Web:
    """What one source may read from the web: its own host's files and public ones.

    Attributes:
        door: decides on every connection, those of redirects included.
        until: when everything has to have been read, on the monotonic clock, or None. A server that
            sends a byte now and then would otherwise never run into the time limit of a read.
    """

    def __init__(
        self,
        door: Door,
        timeout: float,
        options: Mapping[str, str],
        url: str,
        credentials: Credentials | None,
    ) -> None:
        """Prepares to read.

        Args:
            door: what every connection goes through.
            timeout: seconds to wait for a connection and for each read.
            options: ``headers``, ``user_agent``, ``referer``, ``tls_verify`` and ``ca_file`` as
                FFmpeg has them; the others are not for here. As there, certificates are not
                verified unless ``tls_verify`` is 1.
            url: the source; no other host is given the credentials.
            credentials: for basic or digest authentication, once the server asks for it.
        """
        self.door = door
        self.until: float | None = None
        self._timeout = timeout
        self._headers = _headers(options)
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            _Admission(door),
            urllib.request.ProxyHandler(),
            _Http(door),
            _Https(door, _tls(options)),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPCookieProcessor(),
            urllib.request.UnknownHandler(),
            _Redirect(),
            *([_Authentication(url, credentials)] if credentials else []),
        ):
            self._opener.add_handler(handler)

    def check_time(self) -> None:
        """Raises TimeoutError where all should have been read by now."""
        if self.until is not None and time.monotonic() > self.until:
            raise TimeoutError

    def request(self, url: str, start: int, end: int | None) -> HTTPResponse:
        """Returns a server's answer for bytes ``start`` to ``end`` (exclusive) of a URL.

        Raises:
            SourceError: the URL or a redirect leads to where the source may not.
            OSError: there is no such answer.
        """
        self.check_time()
        headers = {**self._headers, "Range": f"bytes={start}-{'' if end is None else end - 1}"}
        target = urllib.request.Request(quote(url, safe=string.punctuation), headers=headers)
        try:
            answer: HTTPResponse = self._opener.open(target, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            error.close()
            raise self._refusal(error.code) from None
        except urllib.error.URLError as error:
            raise _plain(error.reason) from None
        except (http.client.HTTPException, ValueError) as error:
            raise _plain(error) from None
        return answer

    def _refusal(self, code: int) -> Exception:
        if 300 <= code < 400:
            return SourceError(f"{self.door.name} is redirected in a circle, or away from the web")
        return Missing(code)


class WebFile:
    """A file on the web, as a binary file that FFmpeg can read through PyAV.

    Attributes:
        name: its URL after redirects, without a user; what a playlist names is relative to it.
        size: in bytes, or None where the server does not tell.
        kind: the media type that the server states, in lower case.
    """

    def __init__(self, web: Web, url: str, start: int = 0, end: int | None = None) -> None:
        """Asks for a URL's bytes from ``start`` to ``end``, or to its own end.

        Raises:
            SourceError: as :meth:`Web.request`.
            OSError: likewise.
        """
        self._web = web
        self._url = url
        self._end = end
        self._at = start
        answer = self._open()
        self._answer: HTTPResponse | None = answer
        self.name: str = answer.url
        self.size = _size(answer, start)
        self.kind = answer.headers.get_content_type()
        self._ranges = answer.status == 206

    def seekable(self) -> bool:
        return self._ranges and self.size is not None and self._end is None

    def read(self, size: int) -> bytes:
        """Returns what has arrived, at most ``size`` bytes; nothing at the end."""
        if self._end is not None:
            size = min(size, self._end - self._at)
        if self._at == self.size or not size:
            return b""
        self._web.check_time()
        try:
            with carried():
                answer = self._answer = self._answer or self._open()
                data = answer.read1(size)
        except http.client.HTTPException as error:
            raise _plain(error) from None
        if not data and self.size is not None:
            raise OSError(errno.EIO, "it broke off")
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to a byte; the server is only asked for it by the next read."""
        assert self.size is not None
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if base + offset != self._at:
            self.close()
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _open(self) -> HTTPResponse:
        answer = self._web.request(self._url, self._at, self._end)
        # A server without ranges sends everything, whatever was asked for.
        skip = 0 if answer.status == 206 else self._at
        while skip:
            data = answer.read1(min(skip, 1 << 16))
            if not data:
                raise OSError(errno.EIO, "it broke off")
            skip -= len(data)
        return answer


def _size(answer: HTTPResponse, start: int) -> int | None:
    total = (answer.headers.get("Content-Range") or "").rpartition("/")[2]
    if total.isdecimal():
        return int(total)
    if answer.length is None:
        return None
    return answer.length + (start if answer.status == 206 else 0)


def _plain(error: object) -> OSError:
    """Returns a failure as the system's, whose text repeats no address."""
    if isinstance(error, OSError):
        return error
    if isinstance(error, http.client.IncompleteRead):
        return OSError(errno.EIO, "it broke off")
    return OSError(errno.EPROTO, "the server does not answer as http has it")


def _headers(options: Mapping[str, str]) -> dict[str, str]:
    lines = [line.partition(":") for line in options.get("headers", "").splitlines() if line]
    given = {name.strip(): value.strip() for name, _, value in lines}
    named = {"User-Agent": options.get("user_agent", USER_AGENT)}
    if "referer" in options:
        named["Referer"] = options["referer"]
    return {**named, **given}


def _tls(options: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ca_file"))
    if options.get("tls_verify", "0") == "0":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def proxy_for(scheme: str, host: str) -> tuple[str, int] | None:
    """Returns host and port of the proxy that the environment names for a host, if it does."""
    proxy = urllib.request.getproxies().get(scheme)
    if proxy is None or urllib.request.proxy_bypass(host):
        return None
    given = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return given.hostname or "", given.port or PORTS["http"]


class _Admission(urllib.request.BaseHandler):
    """Checks the hosts of requests that a proxy makes for us, which no connection of ours shows."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        parts = urlsplit(request.full_url)
        self._door.proxy = proxy_for(parts.scheme, parts.hostname or "")
        if self._door.proxy is None:
            return request
        try:
            addresses = resolve(parts.hostname or "", parts.port or PORTS[parts.scheme])
        except OSError:
            # A name that only the proxy knows.
            return request
        self._door.check(parts.hostname or "", addresses)
        return request

    https_request = http_request


def _through(door: Door, kind: Callable[..., HTTPConnection]) -> Callable[..., HTTPConnection]:
    def make(host: str, **settings: Any) -> HTTPConnection:
        connection = kind(host, **settings)
        connection._create_connection = door.connect  # type: ignore[attr-defined]
        return connection

    return make


class _Http(urllib.request.HTTPHandler):
    def __init__(self, door: Door) -> None:
        super().__init__()
        self._connection = _through(door, HTTPConnection)

    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(self._connection, request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, door: Door, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._tls_context = context
        self._connection = _through(door, HTTPSConnection)

    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        return self.do_open(self._connection, request, context=self._tls_context)


class _Redirect(urllib.request.HTTPRedirectHandler):
    # Python 3.10 does not know this one.
    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302


class _Digest(urllib.request.HTTPDigestAuthHandler):
    """As Python's, which takes ASCII only: text stands for its bytes in UTF-8 here."""

    def get_algorithm_impls(self, algorithm: str) -> Any:
        kinds = {"MD5": hashlib.md5, "SHA": hashlib.sha1, "SHA-256": hashlib.sha256}
        if algorithm.upper() not in kinds:
            raise ValueError(f"digest authentication by {algorithm}")
        kind = kinds[algorithm.upper()]

        def digest(text: str) -> str:
            return kind(text.encode("latin-1")).hexdigest()

        return digest, lambda secret, data: digest(f"{secret}:{data}")


class _Authentication(urllib.request.BaseHandler):
    """Answers the first challenge that it knows, once: some cameras lock out who tries again."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        user, password = credentials.user, credentials.password
        basic, digest = (urllib.request.HTTPPasswordMgrWithDefaultRealm() for _ in range(2))
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}/"
        basic.add_password(None, base, user, password)
        digest.add_password(None, base, _as_latin(user), _as_latin(password))
        self._handlers: dict[
            str, urllib.request.HTTPBasicAuthHandler | urllib.request.HTTPDigestAuthHandler
        ] = {
            "basic": urllib.request.HTTPBasicAuthHandler(basic),
            "digest": _Digest(digest),
        }

    def add_parent(self, parent: urllib.request.OpenerDirector) -> None:
        for handler in self._handlers.values():
            handler.add_parent(parent)

    def http_error_401(
        self,
        request: urllib.request.Request,
        answer: HTTPResponse,
        code: int,
        message: str,
        headers: http.client.HTTPMessage,
    ) -> HTTPResponse | None:
        for challenge in headers.get_all("WWW-Authenticate", []):
            handler = self._handlers.get(challenge.partition(" ")[0].lower())
            tried = request.has_header("Authorization") and "stale=true" not in challenge.lower()
            if handler is not None and not tried:
                alone = http.client.HTTPMessage()
                alone["WWW-Authenticate"] = challenge
                return handler.http_error_401(request, answer, code, message, alone)
        return None


def _as_latin(text: str) -> str:
    return text.encode().decode("latin-1")
