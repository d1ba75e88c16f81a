"""The tables of an evaluation as Markdown, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costream.lab.evaluate.accuracy import AccuracyRow
from costream.lab.evaluate.accuracy_tables import (
    calibration_tables,
    frontier_table,
    levels_table,
    quarters_table,
    savings_table,
)
from costream.lab.evaluate.cross_fit import CalibrationRow
from costream.lab.evaluate.frontier import FrontierPoint
from costream.lab.evaluate.levels import LevelRow
from costream.lab.evaluate.policies import DEFAULT, REFERENCE
from costream.lab.evaluate.quarters import QuarterRow
from costream.lab.evaluate.savings import Saving
from costream.lab.evaluate.sensitivity import AXES, SensitivityPoint
from costream.lab.evaluate.tables import markdown_table, write_csv
from costream.video import DecodeCount

ACCURACY, KINDS, CALIBRATION = "accuracy", "kinds", "calibration"
LEVELS, QUARTERS, SAVINGS = "levels", "quarters", "savings"
FRONTIER, SENSITIVITY = "frontier", "sensitivity"

_HEADINGS = {
    "policy": "policy",
    "f1": "F1",
    "f1_change": "against full, points",
    "own_f1": "F1, own",
    "precision": "precision",
    "recall": "recall",
    "auc": "frame AUC",
    "event_precision": "event precision",
    "event_recall": "event recall",
    "false_alarms": "false alarms/h",
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

_TENTHS = {"delay_s", "windows_per_s", "false_alarms"}
_INTERVALS: Mapping[str, Callable[[float, float], str]] = {
    "f1": lambda low, high: f" ({low:.3f} to {high:.3f})",
    "f1_change": lambda low, high: f" ({100 * low:+.1f} to {100 * high:+.1f})",
    "event_precision": lambda low, high: f" ({low:.2f} to {high:.2f})",
    "event_recall": lambda low, high: f" ({low:.2f} to {high:.2f})",
    "false_alarms": lambda low, high: f" ({low:.1f} to {high:.1f})",
    "flips": lambda low, high: f" ({low:.1%} to {high:.1%})",
}
"""How the 95% interval of a column is written behind it."""


@dataclass(frozen=True, slots=True)
class AccuracyReport:
    """An evaluation. What was not asked for is empty.

    Attributes:
        setup: what was evaluated: model, set, settings.
        rows: one a policy.
        calibrations: every policy under every calibration.
        levels: accuracy by how much moves; empty for fewer than three videos.
        quarters: flips by quarter of the streams.
        problems: what was left out and why.
        savings: where savings come from.
        frontier: every policy over its range of budgets.
        points: of the sensitivity.
    """

    setup: Mapping[str, Any]
    rows: Sequence[AccuracyRow]
    calibrations: Sequence[CalibrationRow]
    levels: Sequence[LevelRow]
    quarters: Sequence[QuarterRow]
    problems: Sequence[str]
    savings: Sequence[Saving] = ()
    frontier: Sequence[FrontierPoint] = ()
    points: Sequence[SensitivityPoint] = ()

    @property
    def own_f1(self) -> dict[str, float]:
        """F1 of every policy, calibrated for itself."""
        return {row.policy: row.f1 for row in self.calibrations if row.calibration == "own"}

    def to_dict(self) -> dict[str, Any]:
        """Returns the same as a dict of JSON's own types."""
        return {
            "setup": dict(self.setup),
            "rows": [row.to_dict() for row in self.rows],
            "calibrations": [row.to_dict() for row in self.calibrations],
            "levels": [row.to_dict() for row in self.levels],
            "quarters": [row.to_dict() for row in self.quarters],
            "savings": [row.to_dict() for row in self.savings],
            "frontier": [point.to_dict() for point in self.frontier],
            "sensitivity": [point.to_dict() for point in self.points],
            "problems": list(self.problems),
        }

    def write(self, folder: Path) -> list[Path]:
        """Writes all tables and returns their files.

        Raises:
            OSError: the folder can't be written to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        texts = {f"{ACCURACY}.json": json.dumps(self.to_dict(), indent=1) + "\n"}
        texts |= {f"{name}.md": table for name, table in self._tables().items()}
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        sheets: dict[str, Sequence[Mapping[str, Any]]] = {
            ACCURACY: [_flat(row) for row in self.rows],
            FRONTIER: [point.to_dict() for point in self.frontier],
            SENSITIVITY: [point.to_dict() for point in self.points],
        }
        filled = {f"{name}.csv": rows for name, rows in sheets.items() if rows}
        for name, rows in filled.items():
            write_csv(folder / name, rows)
        return [folder / name for name in (*texts, *filled)]

    def _tables(self) -> dict[str, str]:
        """Returns the tables as Markdown, those that hold something."""
        tables = {
            ACCURACY: accuracy_table(self.rows, self.own_f1),
            KINDS: kinds_table(self.rows),
            CALIBRATION: calibration_tables(self.calibrations),
            LEVELS: levels_table(self.levels) if self.levels else "",
            QUARTERS: quarters_table(self.quarters) if self.quarters else "",
            SAVINGS: savings_table(self.savings) if self.savings else "",
            FRONTIER: frontier_table(self.frontier) if self.frontier else "",
            SENSITIVITY: sensitivity_tables(self.points) if self.points else "",
        }
        return {name: table for name, table in tables.items() if table}


def accuracy_cells(row: AccuracyRow, own_f1: float) -> dict[str, str]:
    """Returns a row's cells by heading; F1 as the policy has it calibrated for itself."""
    values = row.to_dict() | {"own_f1": own_f1}
    cells = {heading: _cell(name, values[name]) for name, heading in _HEADINGS.items()}
    for name, interval in _INTERVALS.items():
        if values[f"{name}_low"] is not None:
            cells[_HEADINGS[name]] += interval(values[f"{name}_low"], values[f"{name}_high"])
    return cells


def accuracy_table(rows: Sequence[AccuracyRow], own_f1: Mapping[str, float]) -> str:
    """Returns the main table as Markdown; the default policy's name is bold."""
    lines = []
    for row in rows:
        cells = accuracy_cells(row, own_f1[row.policy])
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
                f"{point.flips:.1%}",
                f"{point.yes_flips:.1%}",
                f"{point.tokens_saved:.1%}",
                f"{point.flops_saved:.1%}",
            ]
            for point in points
            if point.axis == axis
        ]
        heading = [meaning, "policy", "F1", "flips", "of the yes", "tokens saved", "FLOPs saved"]
        parts.append(markdown_table(heading, lines))
    return "\n".join(parts)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if name in _SHARES:
        return f"{value:.1%}"
    if name == "f1_change":
        return f"{100 * value:+.1f}"
    return f"{value:.1f}" if name in _TENTHS else f"{value:.3f}"


def _flat(row: AccuracyRow) -> dict[str, Any]:
    values = row.to_dict()
    kinds, decoding = values.pop("kinds"), values.pop("decoding")
    frames = {f"frames {why}": decoding.get(why, 0) for why in DecodeCount.names()}
    return values | frames | {f"f1 {kind}": value for kind, value in kinds.items()}
