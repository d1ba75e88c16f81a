"""Which stream URLs may come by the API, so that nobody has the service look into its network.

URLs of the service's file may lead anywhere: who writes it owns the machine. One that comes by the
API has one of ``server.camera_schemes``, and its host is of the open internet or lies in one of
``server.camera_networks``. A host of those networks is named by its numeric address: a name could
lead elsewhere by the time it is connected to. Addresses of clouds' metadata services are refused
always.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import parse_qsl

from costream.errors import SettingsError, SourceError
from costream.serve.config.model import EDGE, PUSH, CameraConfig, ServerConfig
from costream.serve.config.watched import WatchedCamera
from costream.video.address import is_public, resolve
from costream.video.naming import masked, protocol
from costream.video.reach import Reach, check_name, named_host

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in ("169.254.0.0/16", "100.100.100.200/32", "fd00:ec2::/32", "fe80::/10")
)
"""Link-local addresses and others under which clouds tell their machines secrets."""

_LISTENS = frozenset({"listener", "rendezvous"})


def check_camera_url(url: str, server: ServerConfig) -> Reach:
    """Refuses a URL that may not come by the API.

    What comes back is handed to whatever opens the source, each time that it is opened: ``public``
    has redirects, playlists and names that lead elsewhere by now checked at the connection itself;
    ``network`` is only for a numeric address, which leads nowhere else.

    Args:
        url: of a camera that came by the API.
        server: whose rules hold.

    Returns:
        What the source may lead to.

    Raises:
        SettingsError: it may not come by the API.
        SourceError: its host has no address.
    """
    name = masked(url)
    scheme = _scheme(url)
    if scheme not in server.camera_schemes:
        allowed = ", ".join(server.camera_schemes)
        raise SettingsError(f"{name} may not come by the API: its scheme has to be {allowed}")
    if url in (PUSH, EDGE):
        return "public"
    check_name(url, protocol(url), name, "public")
    _check_mode(url, name)
    host, _ = named_host(url, name)
    if _in_networks(host, server):
        return "network"
    try:
        addresses = resolve(host, 0)
    except (OSError, UnicodeError):
        # The host may be a part of the password, so the message does not name it.
        raise SourceError(
            f"can't find the host of {name}: check its name, and write @, /, ? and # of a password "
            "as %40, %2F, %3F and %23"
        ) from None
    if not addresses or not all(map(is_public, addresses)) or any(map(_is_never, addresses)):
        raise SettingsError(
            f"{name} is not on the open internet: to watch it, have its numeric address in the URL "
            "and its network in server.camera_networks of the service's file"
        )
    return "public"


def camera_reach(
    camera: WatchedCamera, in_file: CameraConfig | None, server: ServerConfig
) -> Reach:
    """Returns what a camera's source may lead to; to be asked each time that it is opened.

    Args:
        camera: the camera.
        in_file: what the service's file says of it, without what the API changed.
        server: whose rules hold.

    Raises:
        SettingsError: its URL came by the API, and may not any more.
        SourceError: likewise, and its host has no address.
    """
    if in_file is not None and in_file.url == camera.config.url:
        return "local"
    return check_camera_url(camera.config.url, server)


def _scheme(url: str) -> str:
    return url if url in (PUSH, EDGE) else (protocol(url) or "file")


def _check_mode(url: str, name: str) -> None:
    """Refuses URLs that have FFmpeg wait to be connected to."""
    query = parse_qsl(url.partition("?")[2], keep_blank_values=True)
    # FFmpeg itself takes them in lower case only; libraries behind it need not.
    options = [(key.lower(), value.lower()) for key, value in query]
    if any(key == "listen" or (key == "mode" and value in _LISTENS) for key, value in options):
        raise SettingsError(f"{name} may not come by the API: it waits to be connected to")


def _in_networks(host: str, server: ServerConfig) -> bool:
    """Whether a host is a numeric address, written as usual, of a network that is allowed."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if _is_never(host):
        return False
    return any(address in network for network in _networks(server))


def _networks(server: ServerConfig) -> list[_Network]:
    try:
        return [ipaddress.ip_network(text, strict=False) for text in server.camera_networks]
    except ValueError as error:
        raise SettingsError(f"server.camera_networks: {error}") from None


def _is_never(address: str) -> bool:
    parsed: _Address = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in _NEVER)
