"""Where a stream comes from: opening it, naming it without passwords, saying what is wrong."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import av
import av.error
from av.container import InputContainer

from costream.errors import SourceError, SourceRefusedError

SourceLike = str | os.PathLike[str] | BinaryIO
"""A path, a URL, ``"-"`` for standard input, or an open binary file."""

_MASK = "***"
_AUTHORITY = re.compile(
    r"(?P<user>[a-z][a-z0-9+.-]*://[^/?#\s:@]*):(?P<rest>[^\s]*)", re.IGNORECASE
)
_SECRET = re.compile(
    r"(?P<key>[?&;][^=&;]*(?:pass|pwd|token|secret|key|auth|sig)[^=&;]*=)[^&;#\s]*", re.IGNORECASE
)

_RTSP = {"rtsp_transport": "tcp", "analyzeduration": "0", "probesize": "32"}
"""FFmpeg's options for RTSP: a reliable transport, and no second of looking before starting. Not
``nobuffer``: it throws away the packets that were looked at, and with them the first keyframe."""

_LIVE_PROTOCOLS = frozenset(
    [
        "mmsh",
        "mmst",
        "rist",
        "rtmp",
        "rtmpe",
        "rtmps",
        "rtmpt",
        "rtmpte",
        "rtmpts",
        "rtp",
        "rtsp",
        "rtsps",
        "sctp",
        "srt",
        "srtp",
        "tcp",
        "udp",
        "udplite",
        "unix",
    ]
)
"""Those that carry what is sent now: FFmpeg can't tell their end from a broken connection."""

_PLAYLISTS = frozenset({"hls", "dash"})

_PICTURE_FORMATS = frozenset({"image2", "image2pipe", "tty"})


def masked(source: SourceLike) -> str:
    """Returns the source's name as it may be shown: passwords in URLs become ``***``.

    Masked are the password before the host and the values of query parameters that look secret
    (such as ``password``, ``token`` or ``key``).
    """
    if source == "-":
        return "standard input"
    if not isinstance(source, (str, os.PathLike)):
        return f"<{type(source).__name__}>"
    return _SECRET.sub(rf"\g<key>{_MASK}", _AUTHORITY.sub(_mask_password, os.fspath(source)))


def _mask_password(match: re.Match[str]) -> str:
    user, rest = match["user"], match["rest"]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A password with a slash in it ends at the last @ of all, one without at its authority's last.
    end = authority.rfind("@") if "@" in authority else rest.rfind("@")
    return match[0] if end < 0 else f"{user}:{_MASK}{rest[end:]}"


def protocol(source: SourceLike) -> str | None:
    """Returns the URL's protocol in lower case, or None for a local path or an open file."""
    if not isinstance(source, str) or "://" not in source:
        return None
    name = source.split("://", 1)[0].lower()
    return None if name == "file" else name


def is_file(source: SourceLike) -> bool:
    """Whether the source is a path on this machine, so that its end is its end."""
    return isinstance(source, (str, os.PathLike)) and source != "-" and protocol(source) is None


def is_live(source: SourceLike, container: InputContainer) -> bool:
    """Whether an open source has no end of its own, so that its end is a loss.

    Cameras and broadcasts are live (rtsp, rtmp, srt, udp, tcp and their like); files, pipes and
    file objects are not. Over http, a playlist (HLS, DASH) without a duration is live, and so is a
    body with neither a size nor a duration.

    Args:
        source: what was opened.
        container: what :func:`open_container` returned for it.
    """
    known = is_live_by_name(source)
    if known is not None:
        return known
    if container.duration:
        return False
    return container.format.name in _PLAYLISTS or container.size <= 0


def is_live_by_name(source: SourceLike) -> bool | None:
    """Whether a source has no end of its own, or None where only opening it tells (http, https)."""
    name = protocol(source)
    if name in _LIVE_PROTOCOLS:
        return True
    return None if name in ("http", "https") else False


def open_container(
    source: SourceLike, timeout: float, options: Mapping[str, str]
) -> InputContainer:
    """Opens a source for demuxing.

    Args:
        source: what to open.
        timeout: seconds to wait for a network source or a pipe, for each read and for the opening.
        options: FFmpeg's options for demuxer and protocol; they win over those chosen here.

    Raises:
        SourceError: it can't be opened.
    """
    if is_file(source):
        _check_path(Path(local_path(source)), masked(source))
    defaults = _RTSP if protocol(source) in ("rtsp", "rtsps") else {}
    started = time.monotonic()
    try:
        container = av.open(
            _target(source, timeout),
            mode="r",
            options={**defaults, **options},
            metadata_errors="replace",
            timeout=(timeout, timeout),
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        # Some protocols report an interrupted read as broken data.
        interrupted = protocol(source) and time.monotonic() - started >= timeout
        cause = reason(TimeoutError() if interrupted else error, timeout)
        kind = SourceRefusedError if is_refusal(source, error) else SourceError
        raise kind(f"can't open {masked(source)}: {cause}") from None
    if container.format.name in _PICTURE_FORMATS or container.format.name.endswith("_pipe"):
        container.close()
        raise SourceError(f"can't open {masked(source)}: it is a picture or text, not a video")
    return container


def is_refusal(source: SourceLike, error: Exception) -> bool:
    """Whether an error of opening a URL is an answer that asking again would not change.

    A camera's server says that it has no such stream before the camera is up, so that this is
    believed of http alone.
    """
    if is_live_by_name(source):
        return isinstance(error, _REFUSALS)
    return isinstance(error, (*_REFUSALS, *_NO_VIDEO))


_REFUSALS = (
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.ProtocolNotFoundError,
    av.error.OptionNotFoundError,
    ValueError,
)
_NO_VIDEO = (av.error.HTTPClientError, av.error.InvalidDataError)


def reason(error: Exception, timeout: float) -> str:
    """Says in a clause what went wrong. FFmpeg's own message would repeat the source's password."""
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return f"no data for {timeout:g} s"
    if isinstance(error, av.error.InvalidDataError):
        return "it is not a video, or its header is damaged or cut off"
    if isinstance(error, EOFError):
        return "it ends before any video starts"
    return _plain_reason(error)


def _plain_reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or type(error).__name__
    return text[:1].lower() + text[1:]


def local_path(source: SourceLike) -> str:
    """Returns the path of a source that is one."""
    assert isinstance(source, (str, os.PathLike))
    path = os.fspath(source)
    return path[len("file://") :] if path.lower().startswith("file://") else path


def _check_path(path: Path, name: str) -> None:
    try:
        if path.is_dir():
            raise SourceError(f"can't open {name}: it is a directory")
        if path.is_file() and not path.stat().st_size:
            raise SourceError(f"can't open {name}: it is empty")
    except OSError as error:
        raise SourceError(f"can't open {name}: {_plain_reason(error)}") from None


def _target(source: SourceLike, timeout: float) -> object:
    if source == "-":
        return _Pipe(sys.stdin.fileno(), timeout)
    if is_file(source):
        # Without the prefix FFmpeg would take what stands before a colon for a protocol.
        return f"file:{local_path(source)}"
    return source


class _Pipe:
    """Reads a pipe with a time limit, which FFmpeg's own pipe protocol has not."""

    name = "standard input"

    def __init__(self, descriptor: int, timeout: float) -> None:
        self._descriptor = descriptor
        self._timeout = timeout

    def read(self, size: int) -> bytes:
        if not select.select([self._descriptor], [], [], self._timeout)[0]:
            raise TimeoutError
        return os.read(self._descriptor, size)
