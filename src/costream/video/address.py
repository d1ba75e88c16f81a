"""Which hosts a source may lead to: those that anybody may reach, and the one that it names."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field

from costream.errors import SourceRefusedError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv6 addresses whose last 32 bits are an IPv4 address that a gateway connects to (RFC 6052)."""


def is_public(address: str) -> bool:
    """Whether a numeric address is one of the open internet's.

    Private, loopback, link-local (with the metadata services of clouds), shared, multicast and
    reserved addresses are not, nor are IPv6 addresses that stand for such an IPv4 address.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and (inner := _embedded(parsed)) is not None:
        return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


def _embedded(address: ipaddress.IPv6Address) -> _Address | None:
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address in _TRANSLATED or not int(address) >> 32:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None if address.teredo is None else address.teredo[1]


def resolve(host: str, port: int) -> list[str]:
    """Returns the numeric addresses of a host, whatever way of writing them the system knows.

    Raises:
        OSError: the host has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass
class Door:
    """Connects a source to hosts, and refuses those that only this machine's network can reach.

    What the source itself names is let through once, as :meth:`admit` resolves it: its addresses
    are the source's *home*. Everything that is named later, by a redirect or a playlist, has to be
    home or public. A connection is made to the very address that was checked, so a name that
    resolves to something else the next moment leads nowhere.

    Attributes:
        name: the source's name for messages.
        proxy: host and port of the proxy that the environment names, if requests go through one.
        home: the addresses of the host that the source names.
    """

    name: str
    proxy: tuple[str, int] | None = None
    home: frozenset[str] = field(default_factory=frozenset)

    def admit(self, host: str, port: int, *, private: bool) -> None:
        """Makes a host's addresses the source's home.

        Raises:
            SourceRefusedError: one of them is not public, and ``private`` is false.
            OSError: it has none.
        """
        addresses = resolve(host, port)
        if not private and not all(map(is_public, addresses)):
            raise SourceRefusedError(
                f"can't open {self.name}: its host is not one of the open internet"
            )
        self.home = frozenset(addresses)

    def check(self, host: str, addresses: list[str]) -> None:
        """Refuses a host that has an address which is neither home nor public.

        Raises:
            SourceRefusedError: it has.
        """
        if not all(address in self.home or is_public(address) for address in addresses):
            raise SourceRefusedError(
                f"{self.name} leads to {host}, a private address that it may not name: "
                "open that by its own name"
            )

    def connect(
        self, address: tuple[str, int], timeout: float, source: tuple[str, int] | None = None
    ) -> socket.socket:
        """Connects to a host that may be reached.

        Args:
            address: host and port.
            timeout: seconds to wait, for each of its addresses.
            source: the address to connect from, if not any.

        Raises:
            SourceRefusedError: the host may not be reached.
            OSError: the connection fails.
        """
        host, port = address
        if address == self.proxy:
            return socket.create_connection(address, timeout, source)
        addresses = resolve(host, port)
        self.check(host, addresses)
        failure: OSError | None = None
        for one in addresses:
            try:
                return socket.create_connection((one, port), timeout, source)
            except OSError as error:
                failure = error
        raise failure or OSError("no address")
