"""Tables as Markdown and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def markdown_table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Returns a table as Markdown; all columns but the first are aligned to the right."""
    marks = ["---", *["---:"] * (len(heading) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (heading, marks, *lines))


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows whose keys are the columns.

    Raises:
        OSError: the file can't be written to.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
