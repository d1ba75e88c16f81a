"""``costream edge``: a camera is followed where it stands, and sent on as far as it changes."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from costream.cli.access import CredentialsOpt, RtspTransportOpt, TimeoutOpt, access
from costream.cli.app import app
from costream.cli.checks import check_source, positive
from costream.edge.account import Account
from costream.edge.camera import EdgeCamera
from costream.edge.forwarder import Forwarder
from costream.edge.outbox import Outbox
from costream.edge.receiver import Receiver
from costream.edge.uplink import Uplink
from costream.errors import SettingsError
from costream.printable import printable
from costream.video.naming import masked, plain_reason
from costream.video.packet_ring import PacketRing, RingLimits

TOKEN = "COSTREAM_TOKEN"
"""The environment variable that holds the receiver's token."""

LAST = 60.0
"""Seconds for which what is left of a file is sent, at least."""

MEGABYTE = 1 << 20

logger = logging.getLogger("costream")


@app.command()
def edge(
    source: Annotated[str, typer.Argument(help="The camera: a file or a URL (rtsp, rtmp, ...).")],
    to: Annotated[
        str,
        typer.Option("--to", help="Where to: https://HOST/api/cameras/ID/push of costream serve."),
    ],
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            help=f"File that holds the receiver's token (default: the variable {TOKEN}).",
        ),
    ] = None,
    heartbeat: Annotated[
        float,
        typer.Option(
            "--heartbeat",
            help="Seconds after which what has not changed is told of at the latest.",
            callback=positive,
        ),
    ] = 4.0,
    buffer: Annotated[
        float,
        typer.Option(
            "--buffer", help="MiB kept while the line is away or too slow.", callback=positive
        ),
    ] = 16.0,
    buffer_seconds: Annotated[
        float,
        typer.Option("--buffer-seconds", help="Seconds likewise.", callback=positive),
    ] = 300.0,
    keep: Annotated[
        float,
        typer.Option(
            "--keep",
            help="MiB of the camera's stream kept for who asks for all of it.",
            callback=positive,
        ),
    ] = 16.0,
    account_every: Annotated[
        float,
        typer.Option(
            "--account-every", help="Seconds between two lines of the account.", callback=positive
        ),
    ] = 60.0,
    rtsp_transport: RtspTransportOpt = None,
    timeout: TimeoutOpt = 10.0,
    credentials: CredentialsOpt = None,
) -> None:
    """Follow a camera where it stands, and send what changed to costream serve.

    Nothing is encoded again: what is sent are the camera's own packets of the pictures that are to
    be seen, and a heartbeat else. A camera of the service has [bold]url: edge[/]. Needs no torch.
    """
    check_source(source)
    reach = access(source, rtsp_transport, timeout, credentials)
    account = Account()
    outbox = Outbox(int(buffer * MEGABYTE), buffer_seconds)
    ring = PacketRing(RingLimits(24 * 3600.0, int(keep * MEGABYTE)))
    forwarder = Forwarder(
        lambda ring: EdgeCamera(
            source,
            ring=ring,
            decode="auto",
            timeout=reach["timeout"],
            options=reach["options"],
            credentials=reach["credentials"],
        ),
        ring,
        outbox,
        account,
    )
    uplink = Uplink(Receiver(to, _token(token_file)), outbox, account, heartbeat, forwarder.stretch)
    _Run(forwarder, uplink, outbox, account).run(account_every)


class _Run:
    """The threads of a camera, until a signal, the file's end or an error ends them."""

    def __init__(
        self, forwarder: Forwarder, uplink: Uplink, outbox: Outbox, account: Account
    ) -> None:
        self._forwarder = forwarder
        self._uplink = uplink
        self._outbox = outbox
        self._account = account
        self._over = threading.Event()
        self._failures: list[Exception] = []

    def run(self, account_every: float) -> None:
        """Runs them.

        Raises:
            CoStreamError: what ended one of them.
        """
        with _signals(self._over):
            reading = self._start("costream-camera", self._read)
            sending = self._start("costream-uplink", self._send)
            while not self._over.wait(account_every):
                typer.echo(self._account.line())
            self._forwarder.stop()
            self._uplink.stop()
            sending.join(1.0)
            reading.join(1.0)
        typer.echo(self._account.line())
        if self._failures:
            raise self._failures[0]

    def _read(self) -> None:
        fps = self._uplink.greeted()
        if fps is None:
            return
        self._forwarder.run(fps, self._uplink)
        # A file has ended.
        while not self._over.is_set() and not self._outbox.await_end(LAST):
            continue

    def _send(self) -> None:
        self._uplink.run()

    def _start(self, name: str, what: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                what()
            except Exception as error:
                self._failures.append(error)
            self._over.set()

        # A read from a silent camera can't be interrupted, and nobody should wait for it.
        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread


@contextmanager
def _signals(over: threading.Event) -> Iterator[None]:
    """Has SIGTERM and SIGINT end the command."""
    numbers = signal.SIGTERM, signal.SIGINT
    before = {number: signal.signal(number, lambda *_: over.set()) for number in numbers}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN) or None
    try:
        return file.read_text().strip()
    except (OSError, ValueError) as error:
        name = printable(masked(os.fspath(file)))
        raise SettingsError(f"can't read the token in {name}: {plain_reason(error)}") from None
