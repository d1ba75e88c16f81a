"""``costream audit``: how often the cheap answers of a source differ from the full ones."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from rich.live import Live

from costream.audit import AuditReport
from costream.cli.access import CredentialsOpt, RtspTransportOpt, TimeoutOpt, access
from costream.cli.app import app
from costream.cli.audit_table import AuditTable
from costream.cli.checks import check_dtype, check_kv_dtype, check_source
from costream.cli.console import open_console
from costream.cli.corners import parse_corners
from costream.cli.live_display import DRAW_EVERY
from costream.cli.options import (
    AskOpt,
    DecodeOpt,
    DeviceOpt,
    DtypeOpt,
    JsonOpt,
    KVDtypeOpt,
    KVMemoryOpt,
    MaskOpt,
    ModelFpsOpt,
    ModelOpt,
    PrunerOpt,
    ReconnectOpt,
    RefreshOpt,
    SizeOpt,
    StrideOpt,
    ThresholdOpt,
    WindowOpt,
    parse_size,
    settings_for,
)
from costream.cli.quantities import parse_memory, parse_share
from costream.cli.thresholds import parse_thresholds
from costream.embedded import warn_of_embedded
from costream.engine.asks import checked_asks
from costream.engine.audit_ring import audit_ring
from costream.engine.view import StreamView
from costream.printable import printable
from costream.video import DeferredSource, FrameRecord, StreamInfo, checked_decoding
from costream.video.provenance import is_synthetic

if TYPE_CHECKING:
    from costream.settings import EngineSettings


@app.command()
def audit(
    source: Annotated[
        str, typer.Argument(help="A file, a URL, or - for standard input.", show_default=False)
    ],
    ask: AskOpt,
    share: Annotated[
        str,
        typer.Option(
            "--share",
            help="Share of compute that checking may take, of that of running every window in "
            "full: about as many windows are run in full as well.",
        ),
    ] = "1%",
    model: ModelOpt = "costream/tiny",
    fps: ModelFpsOpt = None,
    window: WindowOpt = None,
    stride: StrideOpt = None,
    pruner: PrunerOpt = None,
    refresh: RefreshOpt = None,
    frame_size: SizeOpt = None,
    mask: MaskOpt = None,
    decode: DecodeOpt = "auto",
    reconnect: ReconnectOpt = 300.0,
    threshold: ThresholdOpt = None,
    rtsp_transport: RtspTransportOpt = None,
    timeout: TimeoutOpt = 10.0,
    credentials: CredentialsOpt = None,
    device: DeviceOpt = None,
    dtype: DtypeOpt = None,
    kv_dtype: KVDtypeOpt = None,
    kv_memory: KVMemoryOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Watch a source and tell how often its answers differ from those of full recomputation.

    Windows are drawn and run in full as well: everything decoded, nothing pruned, nothing reused.
    The intervals hold at every moment, so that one may stop when one has seen enough (Ctrl-C).

    With [bold]--json[/], one JSON object a line each time a window was checked, and in the end.
    """
    given = {
        "fps": fps,
        "window": window,
        "stride": stride,
        "pruner": pruner,
        "refresh": refresh,
        "frame_size": parse_size(frame_size),
        "kv_dtype": kv_dtype,
        "audit": parse_share(share),
        **parse_thresholds(threshold or (), ask),
    }
    asks, view = checked_asks(ask), StreamView(tuple(map(parse_corners, mask or ())))
    check_source(source)
    check_dtype(dtype)
    check_kv_dtype(kv_dtype)
    memory = None if kv_memory is None else parse_memory(kv_memory)
    reached = access(source, rtsp_transport, timeout, credentials)
    settings = settings_for(model, given)
    decoding = checked_decoding(decode)
    from costream.cli.connect import Connect
    from costream.cli.layout import reads_apart, watched_alone
    from costream.cli.loading import load_engine

    def warn(info: StreamInfo) -> None:
        unknown = settings.uncalibrated(asks)
        warn_of_embedded(model, info.source, unknown, synthetic=is_synthetic(source))

    waiting = DeferredSource(
        Connect(source, settings.uses_motion, decoding, reached),
        patience=reconnect,
        backlog=2 * settings.stride,
        keep=audit_ring(settings),
    )
    load = partial(load_engine, model, settings, device, dtype, kv_memory=memory)
    apart = reads_apart(source)
    with (
        watched_alone(waiting, load, warn, apart=apart) as (engine, stream),
        _open_display(stream.info, model, settings, as_json=as_json) as display,
    ):
        results = engine.watch(
            stream, asks, view=view, on_frame=display.advance, on_audit=display.note
        )
        with closing(results):
            for _ in results:
                pass


class _Display(Protocol):
    """Shows what audits come to."""

    def advance(self, record: FrameRecord) -> None:
        """Notes how far the stream was read."""

    def note(self, report: AuditReport) -> None:
        """Notes what it came to so far."""


class _Json:
    """A JSON object a line."""

    def __init__(self, source: str) -> None:
        self._source = source

    def advance(self, record: FrameRecord) -> None:
        """Shows nothing: who reads JSON waits for reports."""

    def note(self, report: AuditReport) -> None:
        """Prints a line."""
        sys.stdout.write(json.dumps({"stream": self._source, **report.to_dict()}) + "\n")
        sys.stdout.flush()


class _Table:
    """A table that is drawn again as it goes, on a terminal; in the end it stays.

    Args:
        live: where it is drawn, if it is a terminal.
        title: what is watched, and how.
        duration: seconds that the source lasts, or None.
    """

    def __init__(self, live: Live | None, title: str, duration: float | None) -> None:
        self._live = live
        self._title = title
        self._duration = duration
        self._time = self._drawn = 0.0
        self._report: AuditReport | None = None

    def advance(self, record: FrameRecord) -> None:
        self._time = record.time
        if monotonic() - self._drawn > DRAW_EVERY:
            self._draw()

    def note(self, report: AuditReport) -> None:
        self._report = report
        self._draw()

    def table(self, progress: str = "", height: int | None = None) -> AuditTable:
        """Returns it as it is now."""
        return AuditTable(self._title, self._report, progress, height)

    def _draw(self) -> None:
        self._drawn = monotonic()
        if self._live is not None:
            length = "" if self._duration is None else f" of {self._duration:.1f} s"
            progress = f"read up to {self._time:.1f} s{length}"
            height = self._live.console.height - 1
            self._live.update(self.table(progress, height), refresh=True)


@contextmanager
def _open_display(
    info: StreamInfo, model: str, settings: EngineSettings, *, as_json: bool
) -> Iterator[_Display]:
    if as_json:
        yield _Json(info.source)
        return
    console = open_console()
    title = (
        f"{printable(info.source)}  {info.codec} {info.width}x{info.height}  "
        f"model: {printable(model)}  pruner: {settings.pruner}  refresh: {settings.refresh}"
    )
    with ExitStack() as stack:
        live = None
        if console.is_terminal and not console.is_dumb_terminal:
            # Warnings go above the table where they would be written across it.
            beside = sys.stderr.isatty()
            shown = Live(
                console=console, auto_refresh=False, transient=True, redirect_stderr=beside
            )
            live = stack.enter_context(shown)
        display = _Table(live, title, info.duration)
        try:
            yield display
        finally:
            stack.close()
            console.print(display.table())
