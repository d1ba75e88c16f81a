"""Where a stream comes from: opening it, naming it without passwords, saying what is wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping

import av
import av.error
from av.container import InputContainer

from costream.errors import SourceError, SourceRefusedError
from costream.video import reach as reaches
from costream.video.credentials import Credentials
from costream.video.interruption import delivered
from costream.video.naming import SourceLike, is_path, masked, path_of, plain_reason, protocol
from costream.video.nested import Nested
from costream.video.pipe import is_fifo
from costream.video.reach import Reach
from costream.video.target import open_target, target_of
from costream.video.web import PORTS, Missing, WebFile

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


def is_file(source: SourceLike) -> bool:
    """Whether the source is a path on this machine, and no pipe's, so that it may be cut off."""
    return is_path(source) and not is_fifo(path_of(source))


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
    return container.format.name in _PLAYLISTS or not _size(container)


def is_real_time(source: SourceLike, container: InputContainer) -> bool:
    """Whether an open source gives pictures as they come about: its clock may be set meanwhile.

    A live source does, and so may a pipe, which has an end all the same: its writer may be a
    camera's, unless the container states a length.

    Args:
        source: what was opened.
        container: what :func:`open_container` returned for it.
    """
    return is_live(source, container) or (is_pipe(source) and container.duration is None)


def is_pipe(source: SourceLike) -> bool:
    """Whether the source is standard input or a FIFO."""
    return source == "-" or (is_path(source) and is_fifo(path_of(source)))


def _size(container: InputContainer) -> int:
    main = container.io_open.main if isinstance(container.io_open, Nested) else None
    return main.size or 0 if isinstance(main, WebFile) else container.size


def is_live_by_name(source: SourceLike) -> bool | None:
    """Whether a source has no end of its own, or None where only opening it tells (http, https)."""
    name = protocol(source)
    if name in _LIVE_PROTOCOLS:
        return True
    return None if name in PORTS else False


def open_container(
    source: SourceLike,
    timeout: float,
    options: Mapping[str, str],
    *,
    credentials: Credentials | None = None,
    reach: Reach = "local",
) -> InputContainer:
    """Opens a source for demuxing; :func:`close_container` closes it.

    What a source leads to is never trusted, whoever named it: see :mod:`~costream.video.reach`.

    Args:
        source: what to open.
        timeout: seconds to wait for a network source or a pipe, for each read and for the opening.
        options: FFmpeg's options for demuxer and protocol; they win over those chosen here.
        credentials: for a URL that names no user.
        reach: what the source may be.

    Raises:
        SourceError: it can't be opened, or it may not.
        SettingsError: it may not be opened with these options.
    """
    name = masked(source)
    reaches.check_options(options, reach)
    reaches.check_name(source, protocol(source), name, reach)
    started = time.monotonic()
    try:
        with delivered():
            target = target_of(source, timeout, options, credentials, reach)
            container = open_target(target, options, timeout)
    except (av.FFmpegError, OSError, ValueError) as error:
        # Some protocols report an interrupted read as broken data.
        interrupted = protocol(source) and time.monotonic() - started >= timeout
        cause = reason(TimeoutError() if interrupted else error, timeout)
        kind = SourceRefusedError if _is_refusal(source, error) else SourceError
    else:
        return _checked(container, name)
    # Outside of the except clause, as FFmpeg's error repeats the password and would be the context.
    raise kind(f"can't open {name}: {cause}")


def close_container(container: InputContainer) -> None:
    """Closes what :func:`open_container` returned. A file object that was passed in stays open."""
    container.close()
    if isinstance(container.io_open, Nested):
        container.io_open.close()


def _checked(container: InputContainer, name: str) -> InputContainer:
    if container.format.name in _PICTURE_FORMATS or container.format.name.endswith("_pipe"):
        close_container(container)
        raise SourceRefusedError(f"can't open {name}: it is a picture or text, not a video")
    return container


def _is_refusal(source: SourceLike, error: Exception) -> bool:
    """Whether an error of opening a URL is an answer that asking again would not change.

    A camera's server says that it has no such stream before the camera is up, so that this is
    believed of http alone.
    """
    if isinstance(error, Missing):
        return error.code in _FINAL_CODES
    if is_live_by_name(source):
        return isinstance(error, _REFUSALS)
    return isinstance(error, (*_REFUSALS, *_NO_VIDEO))


_REFUSALS = (
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.ProtocolNotFoundError,
    av.error.OptionNotFoundError,
)
_FINAL_CODES = frozenset(range(400, 500)) - {408, 425, 429}
_NO_VIDEO = (av.error.InvalidDataError, av.error.ArgumentError, EOFError)


def reason(error: Exception, timeout: float) -> str:
    """Says in a clause what went wrong. FFmpeg's own message would repeat the source's password."""
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return f"no data for {timeout:g} s"
    if isinstance(error, av.error.InvalidDataError):
        return "it is not a video, or its header is damaged or cut off"
    if isinstance(error, av.error.ArgumentError):
        return "it is not a video, or it only leads to other sources"
    if isinstance(error, EOFError):
        return "it ends before any video starts"
    return plain_reason(error)
