"""Under which names the service may be reached, so that no name elsewhere is bound to it."""

from __future__ import annotations

import ipaddress
import re

from costream.serve.config.model import ServerConfig

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")


def host_name(header: str) -> str | None:
    """Returns the name in a ``Host`` header, in lower case and without brackets, if it is one."""
    found = _HOST.fullmatch(header)
    return found["name"].strip("[]").lower() if found else None


def is_loopback(name: str) -> bool:
    """Whether a name or numeric address is this machine's own, that nobody else reaches."""
    address = _address(name)
    return name == "localhost" if address is None else address.is_loopback


class Hosts:
    """Names and addresses that a ``Host`` header may hold.

    That is what is configured and, where the service listens on loopback, loopback's names. Where
    it listens on all addresses, any numeric address will do: a page elsewhere reaches the service
    by a name of its own that it binds to our address, never by a number.

    Attributes:
        local: whether the service listens on loopback alone.
    """

    def __init__(self, server: ServerConfig) -> None:
        self.local = is_loopback(server.host)
        address = _address(server.host)
        self._everywhere = address is not None and address.is_unspecified
        self._names = {server.host.lower(), *(host.lower() for host in server.hosts)}

    def admit(self, header: str) -> bool:
        """Whether a ``Host`` header names this service."""
        name = host_name(header)
        if name is None:
            return False
        if name in self._names:
            return True
        if self._everywhere:
            return name == "localhost" or _address(name) is not None
        return self.local and is_loopback(name)

    def is_local(self, header: str) -> bool:
        """Whether a request with this ``Host`` header comes from this machine."""
        name = host_name(header)
        return self.local and name is not None and is_loopback(name)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
