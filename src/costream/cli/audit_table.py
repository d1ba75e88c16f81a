"""What audits came to, as a table that fits a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor

from rich.cells import set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from costream.audit import AuditReport, Interval, QuestionAudit
from costream.cli.figures import count
from costream.cli.window_block import cut_apart
from costream.printable import one_line

_HEADS = (("checked", 7), ("flips", 5), ("differ", 14), ("score off", 9))
"""Columns beside the question, and their widths."""

_GAP = 2

NARROWEST = 12
"""Columns that a question has at least."""


class AuditTable:
    """A line for each question, and under them what it comes to.

    Args:
        title: what is watched, and how.
        report: what the audits came to so far, or None before the first window.
        progress: how far the stream was watched; empty in the end.
        height: lines that it may take; None for as many as it needs.
    """

    def __init__(
        self, title: str, report: AuditReport | None, progress: str = "", height: int | None = None
    ) -> None:
        self._title = one_line(title)
        self._report = report
        self._progress = progress
        self._height = height

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lays it out for the console as it is now."""
        width = options.max_width
        foot = [line for text in self._sentences() for line in Text(text).wrap(console, width)]
        room = None if self._height is None else max(1, self._height - len(foot) - 2)
        body = list(self._body(width))
        if room is not None and len(body) > room:
            body = [*body[: room - 1], Text(f"… {len(body) - room + 1} more lines", style="dim")]
        lines = [Text(self._title, style="bold"), *body, *foot]
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        yield Group(*lines)

    def _body(self, width: int) -> Iterator[Text]:
        if self._report is None or not self._report.questions:
            return
        questions = self._report.questions
        taken = sum(_GAP + columns for _, columns in _HEADS)
        room = max(NARROWEST, width - taken)
        asks = cut_apart([one_line(_name(question)) for question in questions], room)
        yield Text(_row("", [head for head, _ in _HEADS], room), style="dim")
        for question, ask in zip(questions, asks, strict=True):
            cells = [
                str(question.checked),
                str(question.flips),
                percents(question.bounds),
                f"{question.difference:.3f}",
            ]
            yield Text(_row(ask, cells, room), style="bold yellow" if question.flips else "")
            if question.causes:
                why = ", ".join(f"{cause} {number}" for cause, number in question.causes.items())
                yield Text(f"  because of: {why}", style="dim")

    def _sentences(self) -> Iterator[str]:
        report = self._report
        if report is None or not report.windows:
            yield self._progress or "no window was answered"
            return
        yield from audit_sentences(report)
        if not report.checked:
            yield "nothing was checked yet: raise --share, or watch for longer"
        if self._progress:
            yield self._progress


def audit_sentences(report: AuditReport) -> Iterator[str]:
    """Yields what audits came to, of all questions together."""
    checked = f"{report.checked} of {count(report.windows, 'window')} run in full as well"
    yield f"{checked}: {report.cost:.1%} of what running all would take"
    if report.missed:
        yield f"{count(report.missed, 'window')} could not be checked: they may differ"
    if report.checked:
        share = percents(report.bounds)
        yield f"{share} of all answers differ from those of full recomputation (95% sure)"


def percents(interval: Interval) -> str:
    """Returns bounds of a share in words, rounded outwards."""
    low, high = floor(interval.low * 1000) / 10, ceil(interval.high * 1000 - 1e-9) / 10
    return f"{low:g}%" if low == high else f"{low:g} to {high:g}%"


def _name(question: QuestionAudit) -> str:
    return question.ask if question.zone is None else f"{question.ask} ({question.zone})"


def _row(first: str, cells: list[str], room: int) -> str:
    """Lays a line out: the question, and figures under each other."""
    figures = [cell.rjust(columns) for cell, (_, columns) in zip(cells, _HEADS, strict=True)]
    return (" " * _GAP).join([set_cell_size(first, room), *figures])
