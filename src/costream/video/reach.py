"""What a source may be and lead to, by who named it: protocols, formats, options, hosts.

What a source leads to is not trusted, whoever named it. Guaranteed is, against any content of
a playlist (HLS, DASH, ffconcat, SDP), however it changes while it is read:

- A source on the web (http, https) leads to http and https only, by redirects, playlists,
  variants, segments and keys alike; to hosts of the open internet, and to the host that the
  source itself names, on whatever port. Private, loopback, link-local and multicast addresses
  are refused otherwise, in every notation and behind every name: the address that is checked
  is the one that is connected to. No file is opened.
- A playlist that is a file leads to files of its own folder and the folders below.
- Standard input, a FIFO and a file object lead nowhere.
- Of any other source, FFmpeg may use the protocols that the source needs, and no format that
  opens others.

Not guaranteed: an RTSP or RTMP server may send FFmpeg on to another address by the same
protocol, and name the addresses of UDP packets; a name with ``reach="public"`` and one of the
protocols over TLS (rtsps, rtmps), whose servers have to be told it, is looked up once to be checked
and once more to be connected to; a proxy that the environment names looks names up for itself;
certificates are verified only with the option ``tls_verify``; ``options`` with ``reach="local"``
may allow what is refused here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

import av

from costream.errors import SettingsError, SourceRefusedError
from costream.video.address import Door
from costream.video.web import PORTS, proxy_for

Reach = Literal["local", "network", "public"]
"""What a source's name may be.

``local``: anything, files of this machine and every protocol of FFmpeg included: for names that are
typed by whoever runs the program. ``network``: a network URL, of any host: for names that come from
somebody else. ``public``: the same, of hosts of the open internet only.
"""

RTSP_TRANSPORTS = ("tcp", "udp", "http", "udp_multicast")

NO_PROTOCOL = "none"
"""A whitelist that no protocol of FFmpeg's is on."""

_RTSP = "tcp,udp,rtp,srtp,tls,http,https,httpproxy"
_NEEDS = {
    "rtsp": _RTSP,
    "rtsps": _RTSP,
    "rtmp": "rtmp,tcp",
    "rtmpe": "rtmpe,ffrtmpcrypt,tcp",
    "rtmps": "rtmps,rtmp,tls,tcp",
    "rtmpt": "rtmpt,rtmp,ffrtmphttp,http,tcp",
    "rtmpte": "rtmpte,ffrtmpcrypt,ffrtmphttp,http,tcp",
    "rtmpts": "rtmpts,ffrtmphttp,https,tls,tcp",
    "rtp": "rtp,udp",
    "srtp": "srtp,rtp,udp",
    "udp": "udp",
    "tcp": "tcp",
    "srt": "srt",
}
"""The protocols that FFmpeg needs for a source of each protocol that may come from elsewhere."""

_NAMED_HOSTS = frozenset({"rtsps", "rtmps", "rtmpts"})
"""Protocols over TLS, whose servers may have to be told by which name they were asked for."""

_LOCAL_NEEDS = {
    "http": "http,httpproxy,tcp",
    "https": "https,httpproxy,tls,tcp",
    "ftp": "ftp,tcp",
    "mmsh": "mmsh,http,tcp",
    "mmst": "mmst,tcp",
}
"""Likewise, for protocols that FFmpeg itself only reads for who runs the program."""

_LISTS = frozenset({"hls", "dash", "sdp", "imf", "lavfi", "rtsp", "rtp", "sap", "vobsub", "mlv"})
"""Demuxers that open what they were not given."""

_FREE_OPTIONS = frozenset({"rtsp_transport", "user_agent", "analyzeduration", "probesize"})
"""Options that change nothing about what may be opened."""

_GENERIC = {"https": 443, "http": 80, "rtsp": 554, "rtsps": 322}


def checked_reach(name: str) -> Reach:
    """Returns what a user named.

    Raises:
        SettingsError: there is no such thing.
    """
    if name not in get_args(Reach):
        raise SettingsError(f"no reach {name!r}: choose {', '.join(get_args(Reach))}")
    return cast(Reach, name)


def check_name(source: object, protocol: str | None, name: str, reach: Reach) -> None:
    """Refuses a source that its name may not be.

    Args:
        source: what is to be opened.
        protocol: its protocol, if it is a URL.
        name: the source's name for messages.
        reach: who named it.

    Raises:
        SourceRefusedError: somebody else named what is only for who runs the program.
    """
    if reach == "local" or not isinstance(source, (str, os.PathLike)):
        return
    if (protocol in PORTS or protocol in _NEEDS) and not re.search(r"[\x00-\x20]", str(source)):
        return
    raise SourceRefusedError(
        f"can't open {name}: only network addresses may be given from elsewhere, "
        "such as rtsp:// or https://"
    )


def check_options(options: Mapping[str, str], reach: Reach) -> None:
    """Refuses options that might widen what a source leads to.

    Raises:
        SettingsError: there is one, and somebody else named the source.
    """
    odd = sorted(options.keys() - _FREE_OPTIONS)
    if reach != "local" and odd:
        raise SettingsError(f"option {odd[0]} is not for sources that are named from elsewhere")


def checked_url(url: str, name: str, reach: Reach) -> str:
    """Returns a URL as FFmpeg may open it: where its host has to be public, by its address.

    FFmpeg would look a name up once more, and might be led elsewhere than to what was checked.

    Raises:
        SourceRefusedError: the host is not public and has to be.
        OSError: it has no address.
    """
    if reach != "public":
        return url
    home = door_for(url, name, reach).home
    if url.partition(":")[0].lower() in _NAMED_HOSTS:
        return url
    # Networks without IPv6 are more common than those without IPv4.
    address = min(home, key=lambda one: (":" in one, one))
    return _at(url, f"[{address}]" if ":" in address else address, named_host(url, name)[1])


def _at(url: str, host: str, port: int | None) -> str:
    """Returns a URL with another host."""
    scheme, _, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    user, mark, _ = authority.rpartition("@")
    suffix = "" if port is None else f":{port}"
    return f"{scheme}://{user}{mark}{host}{suffix}{rest[len(authority) :]}"


def named_host(url: str, name: str) -> tuple[str, int | None]:
    """Returns the host and, where it is stated, the port of a URL.

    Raises:
        SourceRefusedError: it names no host, or a port that is none.
    """
    # A password may hold what no host may, such as brackets.
    authority = re.split("[/?#]", url.partition("//")[2], maxsplit=1)[0]
    try:
        parts = urlsplit(f"//{authority.rpartition('@')[2]}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host:
        raise SourceRefusedError(f"can't open {name}: it names no host, or a port that is none")
    return host, port


def door_for(url: str, name: str, reach: Reach) -> Door:
    """Returns a door whose home is a URL's host.

    Raises:
        SourceRefusedError: the host is not public and has to be, or the URL names none.
        OSError: the host has no address.
    """
    host, port = named_host(url, name)
    scheme = url.partition(":")[0].lower()
    door = Door(name)
    try:
        door.admit(host, port or _GENERIC.get(scheme, 0), private=reach != "public")
    except OSError:
        # A name that only the proxy knows leads to no private address of ours.
        if reach == "public" or not (scheme in PORTS and proxy_for(scheme, host)):
            raise
    return door


def native_options(protocol: str | None) -> dict[str, str]:
    """Returns what keeps FFmpeg, where it opens a source itself, to what that needs.

    Args:
        protocol: the source's, or None for a file.
    """
    if protocol is None:
        return {"protocol_whitelist": "file", "format_whitelist": _formats()}
    needed = _NEEDS.get(protocol)
    if needed is None:
        # Such as cache:file://, which only who runs the program may name.
        parts = re.split("[:+]", protocol)
        needed = ",".join({**_NEEDS, **_LOCAL_NEEDS}.get(part, part) for part in parts)
    formats = "rtsp,asf" if protocol in ("rtsp", "rtsps") else _formats()
    if protocol == "rtp":
        formats = f"rtp,{formats}"
    return {"protocol_whitelist": needed, "format_whitelist": formats}


@cache
def _formats() -> str:
    return ",".join(sorted(av.formats_available - _LISTS))
