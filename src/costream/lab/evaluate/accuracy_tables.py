"""What lies behind the main table, as Markdown: calibrations, motion, time, savings, budgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from costream.lab.evaluate.cross_fit import CALIBRATIONS, CalibrationRow
from costream.lab.evaluate.frontier import FrontierPoint
from costream.lab.evaluate.levels import LevelRow
from costream.lab.evaluate.quarters import QuarterRow
from costream.lab.evaluate.savings import Saving
from costream.lab.evaluate.tables import markdown_table


def calibration_tables(rows: Sequence[CalibrationRow]) -> str:
    """Returns a table a figure: F1, its distance from full recomputation's, events, flips."""
    cells: dict[str, Callable[[CalibrationRow], str]] = {
        "F1, calibrated": lambda row: f"{row.f1:.3f} ({row.f1_low:.3f} to {row.f1_high:.3f})",
        "points of F1 against full, calibrated": lambda row: (
            f"{100 * row.f1_change:+.1f} "
            f"({100 * row.f1_change_low:+.1f} to {100 * row.f1_change_high:+.1f})"
        ),
        "event F1, calibrated": lambda row: f"{row.event_f1:.3f}",
        "false alarms/h, calibrated": lambda row: (
            "-" if row.false_alarms is None else f"{row.false_alarms:.1f}"
        ),
        "flips (of the yes), calibrated": lambda row: f"{row.flips:.1%} ({row.yes_flips:.0%})",
    }
    found = {(row.policy, row.calibration): row for row in rows}
    policies = list(dict.fromkeys(row.policy for row in rows))
    return "\n".join(
        markdown_table(
            [title, *CALIBRATIONS],
            [[policy, *(cell(found[policy, one]) for one in CALIBRATIONS)] for policy in policies],
        )
        for title, cell in cells.items()
    )


def levels_table(rows: Sequence[LevelRow]) -> str:
    """Returns accuracy by how much moves."""
    lines = [
        [
            f"{row.level} ({row.motion_low:.1%} to {row.motion_high:.1%})",
            str(row.videos),
            row.policy,
            f"{row.kept:.1%}",
            f"{row.f1:.3f} ({row.f1_low:.3f} to {row.f1_high:.3f})",
            f"{row.flips:.1%} ({row.flips_low:.1%} to {row.flips_high:.1%})",
            f"{row.yes_flips:.1%}",
        ]
        for row in sorted(rows, key=lambda row: row.motion_low)
    ]
    heading = ["motion", "videos", "policy", "tokens kept", "F1", "flips", "of the yes"]
    return markdown_table(heading, lines)


def quarters_table(rows: Sequence[QuarterRow]) -> str:
    """Returns flips by quarter of the stream."""
    lines = [
        [
            row.policy,
            str(row.quarter),
            str(row.answers),
            f"{row.flips:.2%} ({row.flips_low:.2%} to {row.flips_high:.2%})",
            str(row.yes),
            f"{row.yes_flips:.1%} ({row.yes_flips_low:.1%} to {row.yes_flips_high:.1%})",
        ]
        for row in rows
    ]
    return markdown_table(
        ["policy", "quarter", "answers", "flips", "yes on either side", "of the yes"], lines
    )


def savings_table(rows: Sequence[Saving]) -> str:
    """Returns where savings come from."""
    lines = [
        [
            row.what,
            row.policy,
            f"{row.stride:g}",
            f"{row.tokens:.1%}",
            f"{row.flops:.1%}",
            f"{row.video_flops:.1%}",
            "-" if row.later_flops is None else f"{row.later_flops:.1%}",
        ]
        for row in rows
    ]
    heading = ["saved by", "policy", "stride, s", "tokens", "FLOPs", "on the video"]
    return markdown_table([*heading, "without first windows"], lines)


def frontier_table(points: Sequence[FrontierPoint]) -> str:
    """Returns every policy at each of its budgets."""
    lines = [
        [
            point.policy,
            f"{point.setting} {point.value:g}" if point.setting else "as in the table",
            f"{point.video_flops_saved:.1%}",
            f"{point.flops_saved:.1%}",
            f"{point.tokens_saved:.1%}",
            f"{point.f1:.3f}",
            f"{point.own_f1:.3f}",
            f"{point.flips:.1%} ({point.flips_low:.1%} to {point.flips_high:.1%})",
            f"{point.yes_flips:.1%}",
        ]
        for point in points
    ]
    heading = ["policy", "budget", "FLOPs saved on the video", "with questions", "tokens saved"]
    return markdown_table([*heading, "F1", "F1, own", "flips", "of the yes"], lines)
