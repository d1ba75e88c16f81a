"""How each kind of source is opened: by FFmpeg alone, or read by us and handed to it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import av
from av.container import InputContainer

from costream.errors import SourceRefusedError
from costream.video import reach as reaches
from costream.video.credentials import Credentials
from costream.video.naming import SourceLike, is_path, masked, path_of, plain_reason, protocol
from costream.video.nested import FolderOpener, Nested, Readable, WebOpener
from costream.video.pipe import Pipe, is_fifo, unreadable_kind
from costream.video.reach import Reach, named_host
from costream.video.web import PORTS, Web, WebFile

_RTSP = {"rtsp_transport": "tcp", "analyzeduration": "0", "probesize": "32"}
"""FFmpeg's options for RTSP: a reliable transport, and no second of looking before starting. Not
``nobuffer``: it throws away the packets that were looked at, and with them the first keyframe."""

_WITH_HOST = frozenset(
    {"rtsp", "rtsps", "rtmp", "rtmpe", "rtmps", "rtmpt", "rtmpte", "rtmpts", *PORTS}
)
"""Protocols whose URLs name a host, always. FFmpeg takes what it can't read for this machine."""

_HEAD = 1024
_HLS_KINDS = frozenset(
    {
        "application/vnd.apple.mpegurl",
        "application/x-mpegurl",
        "audio/mpegurl",
        "audio/x-mpegurl",
    }
)
"""Media types by which FFmpeg knows a playlist, if it reads it itself."""


@dataclass(frozen=True)
class Target:
    """What PyAV is told to open: a name, or a file object with what opens others beside it."""

    file: object
    options: dict[str, str]
    nested: Nested | None = None
    format: str | None = None
    web: Web | None = None


def open_target(target: Target, options: Mapping[str, str], timeout: float) -> InputContainer:
    """Opens a target, or closes it.

    Raises:
        SourceRefusedError: it leads to where it may not.
        av.FFmpegError, OSError, ValueError: it can't be opened.
    """
    # FFmpeg would reuse connections of its own, and give up the process where it finds none.
    fixed = {} if target.nested is None else {"http_persistent": "0"}
    try:
        container = av.open(
            target.file,
            mode="r",
            format=target.format,
            options={**target.options, **options, **fixed},
            metadata_errors="replace",
            timeout=(timeout, timeout),
            io_open=target.nested,
        )
    except BaseException:
        if target.nested is not None:
            target.nested.close()
        raise
    if target.web is not None:
        target.web.until = None
    return container


def target_of(
    source: SourceLike,
    timeout: float,
    options: Mapping[str, str],
    credentials: Credentials | None,
    reach: Reach,
) -> Target:
    """Returns how a source is opened; the arguments are those of ``open_container``.

    Raises:
        SourceRefusedError: it is nothing that can be opened, or it may not be.
        OSError: it can't be reached.
    """
    if source == "-":
        return _sealed(Pipe.standard_input(timeout), "standard input")
    if is_path(source):
        return _path_target(path_of(source), masked(source), timeout)
    if not isinstance(source, str):
        return _sealed(cast(BinaryIO, source), masked(source), owned=False)
    url = credentials.into(source) if credentials else source
    if protocol(source) in _WITH_HOST:
        named_host(url, masked(source))
    if protocol(source) in PORTS:
        return _web_target(url, timeout, options, reach)
    url = reaches.checked_url(url, masked(source), reach)
    chosen = _RTSP if protocol(source) in ("rtsp", "rtsps") else {}
    return Target(url, {**chosen, **reaches.native_options(protocol(source))})


def _sealed(file: Readable, name: str, *, owned: bool = True) -> Target:
    nested = Nested(file, name, owned=owned)
    return Target(file, {"protocol_whitelist": reaches.NO_PROTOCOL}, nested)


def _path_target(path: Path, name: str, timeout: float) -> Target:
    check_path(path, name)
    if is_fifo(path):
        return _sealed(Pipe.fifo(path, timeout), name)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    # Without the prefix FFmpeg would take what stands before a colon for a protocol.
    url = f"file:{path}"
    if not (head.startswith(b"#EXTM3U") or b"<MPD" in head):
        return Target(url, reaches.native_options(None))
    playlist = path.resolve().open("rb")
    nested = Nested(playlist, name, FolderOpener(path, name))
    return Target(playlist, {"protocol_whitelist": reaches.NO_PROTOCOL}, nested)


def _web_target(source: str, timeout: float, options: Mapping[str, str], reach: Reach) -> Target:
    url, credentials = Credentials.split(source)
    web = Web(reaches.door_for(url, masked(source), reach), timeout, options, url, credentials)
    web.until = time.monotonic() + 2 * timeout
    main = WebFile(web, url)
    nested = Nested(main, masked(source), WebOpener(web))
    sealed = {"protocol_whitelist": reaches.NO_PROTOCOL}
    return Target(main, sealed, nested, "hls" if main.kind in _HLS_KINDS else None, web)


def check_path(path: Path, name: str) -> None:
    """Refuses a path that no video can be read from.

    Args:
        path: of a file or a FIFO.
        name: the source's name for messages.

    Raises:
        SourceRefusedError: nothing is there, it is empty or of another kind, or must not be read.
    """
    try:
        mode = path.stat().st_mode
        kind = unreadable_kind(mode)
        if kind is None and stat.S_ISREG(mode) and not path.stat().st_size:
            kind = "empty"
    except OSError as error:
        raise SourceRefusedError(f"can't open {name}: {plain_reason(error)}") from None
    except ValueError:
        raise SourceRefusedError(
            f"can't open {name}: no file has a null byte in its name"
        ) from None
    if kind is not None:
        raise SourceRefusedError(f"can't open {name}: it is {kind}")
    if not os.access(path, os.R_OK):
        raise SourceRefusedError(f"can't open {name}: permission denied")
