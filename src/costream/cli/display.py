"""Verdicts for people: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import logging
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from costream.engine.verdict import Answer, Verdict
from costream.printable import printable
from costream.settings import EngineSettings
from costream.video import FrameRecord, Stream, StreamInfo

if TYPE_CHECKING:
    from costream.engine.engine import Engine

logger = logging.getLogger("costream")

ROWS = 12
"""Windows a live table shows."""

DRAW_EVERY = 0.25
"""Seconds between two drawings of a live table's progress."""


class Totals:
    """Sums over the windows shown so far."""

    def __init__(self) -> None:
        self.windows = 0
        self.full_flops = self.spent_flops = 0
        self.full_tokens = self.prefilled = 0
        self.seconds = 0.0
        self.until = 0.0

    def add(self, verdict: Verdict) -> None:
        """Counts one more window."""
        self.windows += 1
        self.full_flops += verdict.flops.full
        self.spent_flops += verdict.flops.spent
        self.full_tokens += verdict.tokens.full
        self.prefilled += verdict.tokens.prefilled
        self.seconds += verdict.seconds.total
        self.until = verdict.end

    def summary(self) -> str:
        """One line on what was saved."""
        if not self.windows:
            return "no window yet"
        return (
            f"{self.windows} windows, {self.until:.0f} s of video in {self.seconds:.1f} s: "
            f"{_saved(self.spent_flops, self.full_flops)} of the FLOPs and "
            f"{_saved(self.prefilled, self.full_tokens)} of the visual tokens saved "
            f"against recomputing every window"
        )


class Display(Protocol):
    """Shows verdicts as they come."""

    def advance(self, record: FrameRecord) -> None:
        """Notes how far the stream was read."""

    def show(self, verdict: Verdict) -> None:
        """Shows one more verdict."""


class JsonDisplay:
    """One JSON object a line."""

    def advance(self, record: FrameRecord) -> None:
        """Shows nothing: who reads JSON waits for verdicts."""

    def show(self, verdict: Verdict) -> None:
        """Prints a verdict's line at once: who reads it may be waiting."""
        sys.stdout.write(json.dumps(verdict.to_dict()) + "\n")
        sys.stdout.flush()


class PlainDisplay:
    """One line a window and question."""

    def __init__(self, console: Console, title: str, settings: EngineSettings) -> None:
        self._console = console
        self._title = title
        self._settings = settings
        self.totals = Totals()

    def advance(self, record: FrameRecord) -> None:
        """Shows nothing: a log is no place for progress."""

    def show(self, verdict: Verdict) -> None:
        """Prints a verdict's lines, before the first of them the title."""
        if not self.totals.windows:
            self._console.print(Text(self._title), soft_wrap=True)
        self.totals.add(verdict)
        for answer in verdict.answers:
            self._console.print(_line(verdict, answer, self._settings), soft_wrap=True)


class LiveDisplay:
    """A table of the last windows that is redrawn in place."""

    def __init__(
        self, live: Live, title: str, duration: float | None, settings: EngineSettings
    ) -> None:
        self._settings = settings
        self._live = live
        self._title = title
        self._duration = duration
        self._time = self._drawn = 0.0
        self._verdicts: deque[Verdict] = deque(maxlen=ROWS)
        self.totals = Totals()

    def advance(self, record: FrameRecord) -> None:
        """Shows how far the stream was read, a few times a second."""
        self._time = record.time
        if monotonic() - self._drawn > DRAW_EVERY:
            self._draw()

    def show(self, verdict: Verdict) -> None:
        """Adds a verdict to the table."""
        self.totals.add(verdict)
        self._verdicts.append(verdict)
        self._draw()

    def _draw(self) -> None:
        self._drawn = monotonic()
        self._live.update(self.render(), refresh=True)

    def render(self) -> RenderableType:
        """Draws the table and the totals."""
        table = Table(expand=True, box=None, pad_edge=False, header_style="dim")
        for name, justify in _COLUMNS:
            table.add_column(name, justify=justify, no_wrap=name != "question")
        for verdict in self._verdicts:
            for number, answer in enumerate(verdict.answers):
                table.add_row(
                    *(_cells(verdict) if number == 0 else _BLANK), *_answer(answer, self._settings)
                )
        progress = Text(self._progress(), style="dim")
        body = Group(table, Text(), Text(self.totals.summary(), style="bold"), progress)
        return Panel(body, title=Text(self._title), title_align="left", border_style="dim")

    def _progress(self) -> str:
        length = "" if self._duration is None else f" of {self._duration:.0f} s"
        wait = "" if self._verdicts else f", the first window needs {self._settings.window:g} s"
        return f"read up to {self._time:.1f} s{length}{wait}"


_COLUMNS: tuple[tuple[str, JustifyMethod], ...] = (
    ("window", "right"),
    ("tokens kept", "right"),
    ("prefilled", "right"),
    ("FLOPs saved", "right"),
    ("seconds", "right"),
    ("question", "left"),
    ("yes", "left"),
)
_BLANK = ("",) * 5


def show_verdicts(
    engine: Engine, stream: Stream, ask: Sequence[str], model: str, *, as_json: bool
) -> None:
    """Watches a stream and shows its verdicts on standard output, in the end what was saved.

    Args:
        engine: who watches.
        stream: an open stream.
        ask: the questions.
        model: name of the engine's model.
        as_json: print JSON lines instead.

    Raises:
        SettingsError: a question is empty.
        SourceError: the stream can't be read any further.
    """
    with _open_display(stream.info, model, engine.settings, as_json=as_json) as display:
        for verdict in engine.watch(stream, ask, on_frame=display.advance):
            display.show(verdict)
    if stream.health.ended_early:
        logger.warning("%s ends before its stated length: it may be cut off", stream.info.source)


@contextmanager
def _open_display(
    info: StreamInfo, model: str, settings: EngineSettings, *, as_json: bool
) -> Iterator[Display]:
    if as_json:
        yield JsonDisplay()
        return
    console = Console(highlight=False)
    title = (
        f"{printable(info.source)}  {info.codec} {info.width}x{info.height}  "
        f"motion: {info.motion}  model: {model}  pruner: {settings.pruner}  "
        f"refresh: {settings.refresh}"
    )
    if not console.is_terminal:
        plain = PlainDisplay(console, title, settings)
        yield plain
        console.print(Text(plain.totals.summary()), soft_wrap=True)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        display = LiveDisplay(live, title, info.duration, settings)
        live.update(display.render(), refresh=True)
        yield display


def _line(verdict: Verdict, answer: Answer, settings: EngineSettings) -> Text:
    span, kept, prefilled, flops, seconds = _cells(verdict)
    said = f"  {answer.text}" if answer.text else ""
    yes = "yes" if answer.score >= settings.threshold else "no "
    return Text(
        f"{span}  {answer.score:.2f} {yes} {answer.ask}  "
        f"[{kept} of the tokens, {prefilled} prefilled, {flops} of the FLOPs saved, {seconds} s]"
        f"{said}"
    )


def _cells(verdict: Verdict) -> tuple[str, str, str, str, str]:
    tokens = verdict.tokens
    damage = f" ({verdict.damaged} damaged)" if verdict.damaged else ""
    return (
        f"{verdict.start:.1f}-{verdict.end:.1f} s{damage}",
        f"{tokens.kept / max(tokens.full, 1):.0%}",
        f"{tokens.prefilled / max(tokens.full, 1):.0%}",
        _saved(verdict.flops.spent, verdict.flops.full),
        f"{verdict.seconds.total:.2f}",
    )


def _answer(answer: Answer, settings: EngineSettings) -> tuple[Text, Text]:
    style = "bold green" if answer.score >= settings.threshold else "dim"
    filled = round(answer.score * 10)
    bar = Text("█" * filled + "░" * (10 - filled) + f" {answer.score:.2f}", style=style)
    if answer.text:
        bar.append(f"  {answer.text}", style="italic")
    return Text(answer.ask), bar


def _saved(spent: int, full: int) -> str:
    return f"{1 - spent / max(full, 1):.0%}"
