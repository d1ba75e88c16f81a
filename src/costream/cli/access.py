"""Options that say how a source is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from costream.errors import SettingsError
from costream.video import Access, Credentials
from costream.video.credentials import VARIABLE
from costream.video.reach import RTSP_TRANSPORTS

RtspTransportOpt = Annotated[
    str | None,
    typer.Option("--rtsp-transport", help=f"Of RTSP: {', '.join(RTSP_TRANSPORTS)} (default: tcp)."),
]
TimeoutOpt = Annotated[
    float,
    typer.Option("--timeout", help="Seconds that a network source or a pipe may stay silent."),
]
CredentialsOpt = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        help="File with user:password on its first line, for a URL that names no user (default: "
        f"the environment variable {VARIABLE}).",
    ),
]


def access(
    source: str, rtsp_transport: str | None, timeout: float, credentials: Path | None
) -> Access:
    """Returns how a stream reaches a source, from the options above.

    Raises:
        SettingsError: there is no such transport; the credentials can't be read, or a file of them
            is given for a source that takes none.
    """
    if rtsp_transport is not None and rtsp_transport not in RTSP_TRANSPORTS:
        raise SettingsError(
            f"unknown RTSP transport {rtsp_transport!r}: choose {', '.join(RTSP_TRANSPORTS)}"
        )
    found = Credentials.read(credentials) if credentials else Credentials.from_environment()
    if found is not None and credentials and found.into(source) == source:
        raise SettingsError(
            "--credentials is for http, rtsp and rtmp URLs that name no user themselves"
        )
    options = {"rtsp_transport": rtsp_transport} if rtsp_transport else {}
    return {"timeout": timeout, "options": options, "credentials": found, "reach": "local"}
