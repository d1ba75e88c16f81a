"""What is wrong with a configuration, and where."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from costream.printable import printable

Path = tuple[str | int, ...]
"""Where a value stands: the names and numbers that lead to it."""

_LONGEST = 60
_MOST_NAMES = 20


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        line: of the file, from 1; 0 for the file as a whole.
        field: its full name, such as ``cameras.door.url``; empty for the file as a whole.
        message: what is wrong and what would be right, without secrets.
    """

    line: int
    field: str
    message: str

    def text(self, file: str) -> str:
        """Returns it as one line that names the file."""
        place = f"{file}:{self.line}" if self.line else file
        field = f"{self.field}: " if self.field else ""
        return printable(f"{place}: {field}{self.message}")


def dotted(path: Path) -> str:
    """Returns a path as it is written: ``cameras.door.zones.gate[2]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def shown(value: Any) -> str:
    """Returns a value as the file might have it, cut where it is long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def suggestion(name: str, known: list[str]) -> str:
    """Returns a clause that names what was probably meant, or what there is."""
    near = get_close_matches(name, known, n=1)
    if near:
        return f": did you mean {near[0]!r}?"
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return f": there are {', '.join(known[:_MOST_NAMES])}{more}" if known else ""
