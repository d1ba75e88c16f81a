"""What is wrong with where the service listens and where it keeps events."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from costream.serve.config.camera_check import SCHEMES
from costream.serve.config.model import EDGE, PUSH, ServerConfig, StoreConfig
from costream.serve.config.problem import Path, suggestion
from costream.video.naming import plain_reason

Flaw = tuple[Path, str]

SHORTEST_TOKEN = 16
"""Characters of a token, at least."""

FEWEST_CHARACTERS = 6
"""Different characters of a token, at least: of random ones, all but one in 30,000 have as many."""

_CHOOSE = "write what `openssl rand -hex 32` prints"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\]")


def is_loopback(host: str) -> bool:
    """Whether a service that listens there is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_flaw(token: str) -> str | None:
    """Returns in a clause why a token can't be used, or None; the clause does not repeat it.

    Tokens may be tried as fast as the service answers. :data:`SHORTEST_TOKEN` random hexadecimal
    digits, 64 bits, hold out for millions of years at 100,000 a second.
    """
    if not token:
        return f"it is empty: {_CHOOSE}"
    if not token.isascii() or not token.isprintable():
        return f"it is not plain ASCII: {_CHOOSE}"
    if len(token) < SHORTEST_TOKEN:
        return f"it has fewer than {SHORTEST_TOKEN} characters and could be guessed: {_CHOOSE}"
    if len(set(token)) < FEWEST_CHARACTERS:
        return f"fewer than {FEWEST_CHARACTERS} of its characters differ: {_CHOOSE}"
    return None


def server_flaws(server: ServerConfig) -> Iterator[Flaw]:
    """Yields where the server is wrong, and why."""
    if server.token is None and server.token_file is None:
        if not is_loopback(server.host):
            yield (
                ("server", "host"),
                f"others could reach {server.host}, and there is no token: give server.token_file, "
                "or listen on 127.0.0.1",
            )
    elif server.token is not None and (flaw := token_flaw(server.token.get_secret_value().strip())):
        yield ("server", "token"), flaw
    yield from _name_flaws(server)
    yield from _network_flaws(server)
    yield from _certificate_flaws(server)


def store_flaws(store: StoreConfig) -> Iterator[Flaw]:
    """Yields where the store is wrong, and why."""
    if store.url is None:
        return
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(store.url.get_secret_value())
    except (ArgumentError, ValueError):
        yield (
            ("store", "url"),
            "it is no URL of SQLAlchemy: write such as postgresql+psycopg://user@host/database",
        )


def _name_flaws(server: ServerConfig) -> Iterator[Flaw]:
    for number, host in enumerate(server.hosts):
        if not _HOST.fullmatch(host):
            yield (
                ("server", "hosts", number),
                f"{host!r} is no host: write a name or an address without scheme, port and path",
            )
    for number, origin in enumerate(server.origins):
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != origin:
            yield (
                ("server", "origins", number),
                f"{origin!r} is no origin: write such as https://home.example, without a path",
            )
    for number, scheme in enumerate(server.camera_schemes):
        if scheme not in (*SCHEMES, PUSH, EDGE):
            hint = suggestion(scheme, [*SCHEMES, PUSH, EDGE])
            yield ("server", "camera_schemes", number), f"there is no scheme {scheme!r}{hint}"


def _network_flaws(server: ServerConfig) -> Iterator[Flaw]:
    for number, network in enumerate(server.camera_networks):
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield (
                ("server", "camera_networks", number),
                f"{network!r} is no network: write such as 192.168.1.0/24 ({error})",
            )


def _certificate_flaws(server: ServerConfig) -> Iterator[Flaw]:
    for name, other in (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")):
        path = getattr(server, name)
        if path is None:
            continue
        if getattr(server, other) is None:
            yield ("server", name), f"https takes {other} as well"
        try:
            os.close(os.open(path, os.O_RDONLY))
        except (OSError, ValueError) as error:
            yield ("server", name), f"can't read the file {path}: {plain_reason(error)}"
