"""Results on a terminal: the last windows, redrawn in place."""

from __future__ import annotations

from collections import deque
from time import monotonic

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from costream.audit import AuditReport
from costream.cli.audit_table import audit_sentences
from costream.cli.gaps import describe_gap
from costream.cli.totals import Totals
from costream.cli.window_block import WindowBlock
from costream.engine.result import Result
from costream.printable import one_line
from costream.video import FrameRecord, Gap

HISTORY = 50
"""Windows that are kept to be shown: as many are as the screen has room for."""

DRAW_EVERY = 0.25
"""Seconds between two drawings of the progress."""

FRAME = 4
"""Columns that the frame takes."""

TALL = 20
"""Lines from which on the lines under the windows may be wrapped."""


class LiveDisplay:
    """A panel of the last windows that is redrawn in place and never higher than the screen.

    Args:
        live: where it is drawn.
        title: what is watched, and how.
        totals: what it comes to.
        duration: stated length of the source in seconds, or None.
        window: seconds that the first answer needs.
        calibrated: some questions are calibrated: those that aren't are marked.
    """

    def __init__(
        self,
        live: Live,
        title: str,
        totals: Totals,
        duration: float | None,
        window: float,
        *,
        calibrated: bool = False,
    ) -> None:
        self._live = live
        self._title = one_line(title)
        self._duration = duration
        self._window = window
        self._calibrated = calibrated
        self._time = self._drawn = 0.0
        self._ended = False
        self._results: deque[Result] = deque(maxlen=HISTORY)
        self._gap = self._move = ""
        self._audited: AuditReport | None = None
        self.totals = totals

    def advance(self, record: FrameRecord) -> None:
        """Shows how far the stream was read, a few times a second."""
        self._time = record.time
        if monotonic() - self._drawn > DRAW_EVERY:
            self.draw()

    def show(self, result: Result) -> None:
        """Adds a result to the panel."""
        self.totals.add(result)
        self._results.append(result)
        for move in result.moves:
            self._move = one_line(str(move))
        self.draw()

    def note(self, gap: Gap) -> None:
        """Shows the last gap under the windows."""
        self.totals.note(gap)
        self._gap = describe_gap(gap)
        self.draw()

    def check(self, report: AuditReport) -> None:
        """Shows under the windows what audits came to so far."""
        self._audited = report
        self.draw()

    def finish(self) -> None:
        """Draws the panel for the last time: it stays on the screen."""
        self._ended = True
        self.draw()

    def draw(self) -> None:
        """Draws the panel again."""
        self._drawn = monotonic()
        self._live.update(self, refresh=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lays the panel out for the console as it is now: it may have been resized."""
        width = max(1, options.max_width - FRAME)
        # The line that the cursor stands on in the end is left free.
        height = max(1, console.height - 3)
        footer = self._footer(console, width, height)[: height // 3]
        body = self._windows(
            WindowBlock(console, width, calibrated=self._calibrated), height - len(footer)
        )
        lines = [*body, *footer]
        for line in lines:
            # Whatever a line holds, it is one row: the height was counted so.
            line.no_wrap, line.overflow = True, "ellipsis"
        title = Text(self._title, no_wrap=True, overflow="ellipsis")
        yield Panel(Group(*lines), title=title, title_align="left", border_style="dim")

    def _windows(self, block: WindowBlock, height: int) -> list[Text]:
        """Returns the lines of as many windows as fit, the newest at the end."""
        if not self._results:
            return []
        *older, newest = self._results
        lines, detail = block.fitting(newest, height)
        for result in reversed(older):
            above = block.lines(result, detail)
            if len(above) + len(lines) > height:
                break
            lines = [*above, *lines]
        return lines

    def _footer(self, console: Console, width: int, height: int) -> list[Text]:
        """Returns the lines under the windows, each in at most two rows of a tall screen."""
        rows = []
        summary = Text(self.totals.summary(ended=self._ended), style="bold")
        news = [Text(line, style="yellow") for line in (self._gap, self._move) if line]
        confirmed = [Text(line) for line in (self.totals.confirmations,) if line]
        told = audit_sentences(self._audited) if self._audited else ()
        audits = [Text(line) for line in told]
        for line in (summary, *confirmed, *audits, *news, self._progress()):
            if height < TALL:
                line.truncate(width, overflow="ellipsis")
            rows += line.wrap(console, width)[:2]
        return [Text(), *rows] if height >= TALL else rows

    def _progress(self) -> Text:
        duration = 0.0 if self._duration is None else round(self._duration, 1)
        # Stated lengths can be wrong: one that was passed is not shown.
        length = f" of {duration:g} s" if duration >= round(self._time, 1) > 0 else ""
        if self._ended:
            return Text(f"ended, read up to {self._time:.1f} s{length}", style="dim")
        wait = "" if self._results else f", the first window needs {self._window:g} s"
        return Text(f"read up to {self._time:.1f} s{length}{wait}", style="dim")
