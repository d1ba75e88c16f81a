"""One window on a terminal: a line of evidence, and under it a line for each question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from costream.cli.figures import UNKNOWN, count, decision, evidence, score, span
from costream.engine.result import Answer, Result
from costream.printable import one_line

NARROW = 70
"""Columns under which bars are half as long."""

_STYLES = {"yes": "bold green", "no": "", UNKNOWN: "bold yellow"}
_MARK = "  not calibrated"


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a window is written.

    Attributes:
        wrap: long questions take several lines; else they are cut.
        text: most lines of a written answer.
    """

    wrap: bool
    text: int


DETAILS = (Detail(True, 9), Detail(True, 1), Detail(False, 1), Detail(False, 0))
"""From all there is to a line a question."""


class WindowBlock:
    """Lays out a window in lines of the terminal's width.

    Args:
        console: where it is shown.
        width: columns.
        calibrated: some questions are calibrated: those that aren't are marked.
    """

    def __init__(self, console: Console, width: int, *, calibrated: bool) -> None:
        self._console = console
        self._width = max(1, width)
        self._calibrated = calibrated
        self._bar = 5 if width < NARROW else 10

    def fitting(self, result: Result, height: int) -> tuple[list[Text], Detail]:
        """Returns a window in at most so many lines, with all the detail that has room.

        Where not even a line for each question has, those of the highest scores are shown, each
        yes before any no, and how many others there are.
        """
        for detail in DETAILS:
            lines = self.lines(result, detail)
            if len(lines) <= height:
                return lines, detail
        return self._highest(result, height), DETAILS[-1]

    def lines(self, result: Result, detail: Detail) -> list[Text]:
        """Returns a window with so much detail, however many lines that takes."""
        return [self._heading(result), *self._answers(result.answers, detail)]

    def _heading(self, result: Result) -> Text:
        """Returns when the window is, and as many of its figures as there is room for."""
        line = Text(span(result), style="bold", no_wrap=True, overflow="ellipsis")
        for part in evidence(result):
            if line.cell_len + 2 + cell_len(part) > self._width:
                break
            line.append(f"  {part}", style="dim not bold")
        return line

    def _answers(self, answers: Sequence[Answer], detail: Detail) -> list[Text]:
        marks = [self._calibrated and not answer.calibrated for answer in answers]
        rooms = [self._room - len(_MARK) * mark for mark in marks]
        asks = [one_line(answer.ask) for answer in answers]
        if not detail.wrap:
            asks = cut_apart(asks, min(rooms, default=1))
        lines = []
        for answer, ask, mark in zip(answers, asks, marks, strict=True):
            lines += self._question(answer, ask, mark)
            lines += self._written(answer, detail.text)
        return lines

    @property
    def _room(self) -> int:
        """Columns beside bar, score and decision."""
        return max(1, self._width - self._bar - len(" 0.00 yes  "))

    def _question(self, answer: Answer, ask: str, mark: bool) -> list[Text]:
        said = decision(answer)
        filled = 0 if said == UNKNOWN else min(self._bar, int(answer.score * self._bar + 0.5))
        bar = "█" * filled + "░" * (self._bar - filled)
        first = Text(f"{bar} {score(answer)} {said:<3}  ", style=_STYLES[said])
        question = Text(ask, style="bold" if said == "yes" else "")
        question.append(_MARK if mark else "", style="dim not bold")
        return self._hang(first, question)

    def _written(self, answer: Answer, most: int) -> list[Text]:
        if not answer.text or not most:
            return []
        text = Text(one_line(answer.text), style="italic")
        if most == 1:
            text.truncate(self._room, overflow="ellipsis")
        indent = Text(" " * (self._width - self._room))
        lines = self._hang(indent, text)
        if len(lines) > most:
            lines[most - 1].append("…")
        return lines[:most]

    def _hang(self, first: Text, text: Text) -> list[Text]:
        """Wraps text beside what stands before its first line."""
        indent = Text(" " * first.cell_len)
        rows = text.wrap(self._console, self._room) or [Text()]
        return [Text.assemble(indent if n else first, row) for n, row in enumerate(rows)]

    def _highest(self, result: Result, height: int) -> list[Text]:
        answers = result.answers
        room = max(0, height - 2)
        ranked = sorted(range(len(answers)), key=lambda n: _rank(answers[n]))
        shown = [answers[n] for n in sorted(ranked[:room])]
        hidden = [answers[n] for n in ranked[room:]]
        yes = sum(answer.decision == "yes" for answer in hidden)
        rest = f"… and {count(len(hidden), 'question')} more, {yes or 'none'} of them yes"
        lines = [self._heading(result), *self._answers(shown, DETAILS[-1])]
        lines.append(Text(rest, style="dim", no_wrap=True, overflow="ellipsis"))
        return lines[: max(1, height)]


def _rank(answer: Answer) -> tuple[int, float]:
    """Orders answers: each yes, then what is not a number, then each no; by falling score."""
    if answer.decision is None:
        return 1, 0.0
    return (0 if answer.decision == "yes" else 2), -answer.score


def cut_apart(asks: Sequence[str], width: int) -> list[str]:
    """Cuts questions to a width so that those that differ still do, where that can be.

    They are cut at their end, or in the middle where they all begin alike.
    """
    ends = [_cut(ask, width, width - 1) for ask in asks]
    if len(set(ends)) == len(set(asks)):
        return ends
    return [_cut(ask, width, width // 3) for ask in asks]


def _cut(text: str, width: int, head: int) -> str:
    """Cuts text to so many columns, an ellipsis behind its first ``head`` ones."""
    if cell_len(text) <= width:
        return text
    head = max(0, min(head, width - 1))
    tail = width - 1 - head
    return set_cell_size(text, head).rstrip() + "…" + _last_cells(text, tail)


def _last_cells(text: str, width: int) -> str:
    taken = ""
    for character in reversed(text):
        if cell_len(character + taken) > width:
            break
        taken = character + taken
    return taken
