"""The tables of an evaluation as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costream.lab.evaluate.accuracy import AccuracyRow
from costream.lab.evaluate.policies import DEFAULT, REFERENCE
from costream.lab.evaluate.sensitivity import AXES, SensitivityPoint
from costream.video import DecodeCount

ACCURACY, KINDS, SENSITIVITY = "accuracy", "kinds", "sensitivity"

_HEADINGS = {
    "policy": "policy",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "auc": "frame AUC",
    "event_precision": "event precision",
    "event_recall": "event recall",
    "delay_s": "delay, s",
    "flips": "flips",
    "yes_flips": "of the yes",
    "kept": "tokens kept",
    "tokens_saved": "tokens saved",
    "vision_saved": "in the ViT",
    "flops_saved": "FLOPs saved",
    "video_flops_saved": "on the video",
    "windows_per_s": "windows/s",
    "decoded": "decoded",
}
_SHARES = {
    "flips",
    "yes_flips",
    "kept",
    "tokens_saved",
    "vision_saved",
    "flops_saved",
    "video_flops_saved",
    "decoded",
}


@dataclass(frozen=True, slots=True)
class AccuracyReport:
    """An evaluation.

    Attributes:
        setup: what was evaluated: model, set, settings.
        rows: one a policy.
        points: of the sensitivity, empty where it was not asked for.
        problems: what was left out and why.
    """

    setup: Mapping[str, Any]
    rows: Sequence[AccuracyRow]
    points: Sequence[SensitivityPoint]
    problems: Sequence[str]

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return {
            "setup": dict(self.setup),
            "rows": [row.to_dict() for row in self.rows],
            "sensitivity": [point.to_dict() for point in self.points],
            "problems": list(self.problems),
        }

    def write(self, folder: Path) -> list[Path]:
        """Writes all tables and returns their files.

        Raises:
            OSError: the folder can't be written to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            f"{ACCURACY}.json": json.dumps(self.to_dict(), indent=1) + "\n",
            f"{ACCURACY}.md": accuracy_table(self.rows),
            f"{KINDS}.md": kinds_table(self.rows),
        }
        if self.points:
            texts[f"{SENSITIVITY}.md"] = sensitivity_tables(self.points)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        write_csv(folder / f"{ACCURACY}.csv", [_flat(row) for row in self.rows])
        names = [*texts, f"{ACCURACY}.csv"]
        if self.points:
            write_csv(folder / f"{SENSITIVITY}.csv", [p.to_dict() for p in self.points])
            names.append(f"{SENSITIVITY}.csv")
        return [folder / name for name in names]


def accuracy_cells(row: AccuracyRow) -> dict[str, str]:
    """Returns a row's cells by heading."""
    values = row.to_dict()
    cells = {heading: _cell(name, values[name]) for name, heading in _HEADINGS.items()}
    cells["flips"] += f" ({row.flips_low:.1%} to {row.flips_high:.1%})"
    return cells


def accuracy_table(rows: Sequence[AccuracyRow]) -> str:
    """Returns the main table as Markdown; the default policy's name is bold."""
    lines = []
    for row in rows:
        cells = accuracy_cells(row)
        if row.default:
            cells["policy"] = f"**{cells['policy']}**"
        lines.append(list(cells.values()))
    return markdown_table(list(_HEADINGS.values()), lines)


def kinds_table(rows: Sequence[AccuracyRow]) -> str:
    """Returns F1 by category of full recomputation and of the default as Markdown."""
    chosen = [row for row in rows if row.policy in (REFERENCE, DEFAULT)]
    lines = [[kind, *(f"{row.kinds[kind]:.3f}" for row in chosen)] for kind in chosen[0].kinds]
    return markdown_table(["F1 of", *(row.policy for row in chosen)], lines)


def sensitivity_tables(points: Sequence[SensitivityPoint]) -> str:
    """Returns one table a setting as Markdown."""
    parts = []
    for axis, meaning in AXES.items():
        lines = [
            [
                f"{point.value:g}" + (" (as evaluated)" if point.base else ""),
                point.policy,
                f"{point.f1:.3f}",
                *(f"{share:.1%}" for share in (point.flips, point.tokens_saved, point.flops_saved)),
            ]
            for point in points
            if point.axis == axis
        ]
        heading = [meaning, "policy", "F1", "flips", "tokens saved", "FLOPs saved"]
        parts.append(markdown_table(heading, lines))
    return "\n".join(parts)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if name in _SHARES:
        return f"{value:.1%}"
    return f"{value:.1f}" if name in ("delay_s", "windows_per_s") else f"{value:.3f}"


def _flat(row: AccuracyRow) -> dict[str, Any]:
    values = row.to_dict()
    kinds, decoding = values.pop("kinds"), values.pop("decoding")
    frames = {f"frames {why}": decoding.get(why, 0) for why in DecodeCount.names()}
    return values | frames | {f"f1 {kind}": value for kind, value in kinds.items()}


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
