"""What is wrong with a camera by itself: its source and its polygons."""

from __future__ import annotations

import re
from collections.abc import Iterator

from costream.errors import SettingsError, SourceError
from costream.serve.config.model import EDGE, PUSH, CameraConfig
from costream.serve.config.polygon import polygon_flaw
from costream.serve.config.problem import Path
from costream.video.credentials import Credentials
from costream.video.naming import is_path, masked, protocol
from costream.video.provenance import SCHEME
from costream.video.reach import named_host

SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "http", "https")
"""Schemes of cameras on a network."""

_FORGOTTEN = re.compile(rf"(?P<scheme>{'|'.join(SCHEMES)}):/?[^/]", re.I)


def is_file_url(url: str) -> bool:
    """Whether a camera is a file of this machine."""
    named = url in (PUSH, EDGE, "-") or url.startswith(SCHEME) or _FORGOTTEN.match(url)
    return is_path(url) and not named


def camera_flaws(path: Path, camera: CameraConfig) -> Iterator[tuple[Path, str]]:
    """Yields where a camera is wrong, and why; no message holds its password."""
    yield from _url_flaws((*path, "url"), camera.url)
    if camera.credentials_file is not None:
        yield from _credentials_flaws((*path, "credentials_file"), camera)
    if camera.loop and not is_file_url(camera.url):
        yield (*path, "loop"), "only a file can begin again at its end"
    if camera.url == EDGE and camera.decode != "auto":
        yield (*path, "decode"), "an edge itself chooses what is decoded: leave this out"
    for kind in ("zones", "masks"):
        for name, polygon in getattr(camera, kind).items():
            if flaw := polygon_flaw(polygon):
                yield (*path, kind, name), flaw


def _url_flaws(path: Path, url: str) -> Iterator[tuple[Path, str]]:
    scheme = protocol(url)
    if url == "-":
        yield path, "standard input can't be a camera of the service"
    elif scheme in SCHEMES:
        try:
            named_host(url, masked(url))
        except SourceError as error:
            yield path, str(error)
    elif scheme is not None:
        yield path, f"{scheme!r} is not one of {', '.join(SCHEMES)}; a file is named by its path"
    elif found := _FORGOTTEN.match(url):
        yield path, f"write {found['scheme'].lower()}://, with two slashes"
    elif url.startswith(SCHEME):
        yield from _synthetic_flaws(path, url)


def _synthetic_flaws(path: Path, url: str) -> Iterator[tuple[Path, str]]:
    # Whoever has no such camera needs none of the laboratory.
    from costream.serve.config.synthetic import parse_synthetic

    try:
        parse_synthetic(url)
    except SettingsError as error:
        yield path, str(error)


def _credentials_flaws(path: Path, camera: CameraConfig) -> Iterator[tuple[Path, str]]:
    try:
        found = Credentials.read(str(camera.credentials_file))
    except SettingsError as error:
        yield path, str(error)
        return
    if found.into(camera.url) == camera.url:
        yield path, "credentials are for http, rtsp and rtmp URLs that name no user themselves"
