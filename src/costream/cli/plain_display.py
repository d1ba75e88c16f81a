"""Results for logs and pipes."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from costream.audit import AuditReport
from costream.cli.audit_table import audit_sentences
from costream.cli.figures import decision, evidence, score, span
from costream.cli.gaps import describe_gap
from costream.cli.totals import Totals
from costream.engine.result import Answer, Result
from costream.printable import one_line
from costream.video import FrameRecord, Gap


class PlainDisplay:
    """One line a window and question, between a title and what was saved.

    Args:
        console: where to print.
        title: what is watched, and how.
        totals: what it comes to.
        calibrated: some questions are calibrated: those that aren't are marked.
        several: more than one source is watched: lines begin with its name.
    """

    def __init__(
        self,
        console: Console,
        title: str,
        totals: Totals,
        *,
        calibrated: bool = False,
        several: bool = False,
    ) -> None:
        self._console = console
        self._title = title
        self._calibrated = calibrated
        self._several = several
        self._audited: AuditReport | None = None
        self.totals = totals

    def advance(self, record: FrameRecord) -> None:
        """Shows nothing: a log is no place for progress."""

    def show(self, result: Result) -> None:
        """Prints a result's lines, before the first of them the title."""
        if not self.totals.windows:
            self._print(self._title)
        self.totals.add(result)
        for move in result.moves:
            self._print(f"{self._name(result.stream)}{move}")
        for answer in result.answers:
            self._print(self._line(result, answer))

    def note(self, gap: Gap) -> None:
        """Prints a gap's line."""
        self.totals.note(gap)
        self._print(f"{self._name(gap.stream)}{describe_gap(gap)}")

    def check(self, report: AuditReport) -> None:
        """Keeps what audits came to, for the end."""
        self._audited = report

    def finish(self) -> None:
        """Prints what was saved, and what confirming and audits say of it."""
        self._print(self.totals.summary(ended=True))
        if self.totals.confirmations:
            self._print(self.totals.confirmations)
        for line in audit_sentences(self._audited) if self._audited else ():
            self._print(line)

    def _line(self, result: Result, answer: Answer) -> str:
        mark = "  (not calibrated)" if self._calibrated and not answer.calibrated else ""
        text = f"  {answer.text}" if answer.text else ""
        said = f"{score(answer)} {decision(answer):<3} {answer.ask}{mark}"
        where = f"{self._name(result.stream)}{span(result)}"
        return f"{where}  {said}  [{', '.join(evidence(result))}]{text}"

    def _name(self, stream: str | None) -> str:
        return f"{stream}  " if self._several and stream else ""

    def _print(self, line: str) -> None:
        self._console.print(Text(one_line(line)), soft_wrap=True)
