"""How results are shown: a live panel on a terminal, plain lines elsewhere, JSON on request."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.live import Live

from costream.audit import AuditReport
from costream.cli.console import open_console
from costream.cli.json_display import JsonDisplay
from costream.cli.layout import watched_together
from costream.cli.live_display import LiveDisplay
from costream.cli.plain_display import PlainDisplay
from costream.cli.totals import Totals
from costream.engine.ingest_process import IngestProcess
from costream.engine.result import Result
from costream.engine.view import StreamView
from costream.engine.workers import Load, watch_in_workers
from costream.printable import printable
from costream.settings import EngineSettings
from costream.video import DeferredSource, FrameRecord, Gap, SampleSource, StreamInfo

if TYPE_CHECKING:
    from costream.engine.engine import Engine


class Display(Protocol):
    """Shows results as they come."""

    def advance(self, record: FrameRecord) -> None:
        """Notes how far the stream was read."""

    def show(self, result: Result) -> None:
        """Shows one more result."""

    def note(self, gap: Gap) -> None:
        """Shows a gap of a live source."""

    def check(self, report: AuditReport) -> None:
        """Shows what audits came to so far."""

    def finish(self) -> None:
        """Shows what it came to: the stream has ended."""


def show_results(
    engine: Engine,
    stream: SampleSource | IngestProcess,
    ask: Sequence[str],
    model: str,
    *,
    view: StreamView | None = None,
    as_json: bool,
) -> None:
    """Watches a stream and shows its results on standard output, in the end what was saved.

    A live stream ends when it is lost or the user has had enough: that is shown then as well.

    Args:
        engine: who watches.
        stream: an open stream, or one that another process has opened.
        ask: the questions.
        model: name of the engine's model.
        view: masks and zones of the stream.
        as_json: print JSON lines instead.

    Raises:
        SettingsError: a question is empty.
        SourceError: the stream can't be read any further.
    """
    with _open_display(stream.info, model, engine.settings, as_json=as_json) as display:
        results = engine.watch(
            stream,
            ask,
            view=view,
            on_frame=display.advance,
            on_gap=display.note,
            on_audit=display.check,
        )
        try:
            for result in results:
                display.show(result)
        finally:
            display.finish()


def show_several(
    load: Load,
    sources: Sequence[DeferredSource],
    ask: Sequence[str],
    model: str,
    settings: EngineSettings,
    workers: int,
    *,
    view: StreamView | None = None,
    here: Collection[int] = (),
    as_json: bool,
) -> None:
    """Watches several sources and shows their results on standard output, line by line.

    Args:
        load: loads an engine, in each worker.
        sources: what to watch, not opened yet.
        ask: the questions.
        model: name of the engine's model.
        settings: the engine's.
        workers: engines that share the sources, each in a process that reads its own; one is this
            process, and other processes read: see :mod:`costream.cli.layout`.
        view: masks and zones, the same of all sources.
        here: numbers of sources that this process reads where it runs the engine.
        as_json: print JSON lines instead.

    Raises:
        CoStreamError: once all have ended: one could not be watched to its end.
    """
    title = (
        f"{len(sources)} sources  {workers} workers  model: {model}  "
        f"pruner: {settings.pruner}  refresh: {settings.refresh}"
    )
    calibrated = bool(settings.calibration)
    display: Display = JsonDisplay("")
    if not as_json:
        display = PlainDisplay(open_console(), title, Totals(), calibrated=calibrated, several=True)
    results: Iterator[Result]
    with ExitStack() as stack:
        if workers == 1:
            engine, streams = stack.enter_context(watched_together(sources, load, here))
            results = engine.watch(streams, ask, view=view, on_gap=display.note)
        else:
            results = watch_in_workers(load, sources, ask, workers, view=view, on_gap=display.note)
        try:
            for result in results:
                display.show(result)
        finally:
            display.finish()


@contextmanager
def _open_display(
    info: StreamInfo, model: str, settings: EngineSettings, *, as_json: bool
) -> Iterator[Display]:
    if as_json:
        yield JsonDisplay(info.source)
        return
    console = open_console()
    title = (
        f"{printable(info.source)}  {info.codec} {info.width}x{info.height}  "
        f"motion: {info.motion}  model: {model}  pruner: {settings.pruner}  "
        f"refresh: {settings.refresh}"
    )
    calibrated, totals = bool(settings.calibration), Totals(live=info.live)
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainDisplay(console, title, totals, calibrated=calibrated)
        return
    # Warnings go above the panel where they would be written across it.
    with Live(
        console=console, auto_refresh=False, vertical_overflow="crop",
        redirect_stderr=sys.stderr.isatty(),
    ) as live:  # fmt: skip
        display = LiveDisplay(
            live, title, totals, info.duration, settings.window, calibrated=calibrated
        )
        display.draw()
        yield display
