"""What ``costream evaluate`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from costream.cli.console import open_console
from costream.cli.figures import reasons
from costream.video import DecodeCount

if TYPE_CHECKING:
    from costream.lab.evaluate.accuracy import AccuracyRow
    from costream.lab.evaluate.accuracy_report import AccuracyReport
    from costream.lab.evaluate.paired import PairedReport

QUALITY = (
    "policy", "F1", "95%", "to\nfull", "95%", "own\nF1", "events\nfound", "false\n/ h",
    "flips", "of the\nyes",
)  # fmt: skip

COST = (
    "policy", "AUC", "delay\ns", "tokens\nsaved", "FLOPs\nsaved", "on the\nvideo",
    "windows\n/ s", "de-\ncoded",
)  # fmt: skip

PAIRED_COLUMNS = (
    "policy", "flips", "of the\nyes", "F1\nall", "F1\nauto", "events\nall", "events\nauto",
    "kept\nall", "kept\nauto", "de-\ncoded",
)  # fmt: skip

SAVINGS = ("saved by", "stride\ns", "tokens", "FLOPs", "on the\nvideo", "later\nwindows")


def print_report(report: AccuracyReport) -> None:
    """Prints what every policy costs and is worth."""
    setup, console = report.setup, open_console()
    own = report.own_f1
    _print_rows(console, QUALITY, report.rows, [_quality(r, own[r.policy]) for r in report.rows])
    _print_rows(console, COST, report.rows, [_cost(row) for row in report.rows])
    console.print(_kinds(report.rows))
    if report.savings:
        console.print(_savings(report))
    console.print(
        f"{setup['model']} on {setup['videos']} videos of {setup['dataset']}, "
        f"{len(setup['questions'])} questions a window. Intervals are over videos; to full: points "
        "of F1 above full recomputation's; own F1: with thresholds that were chosen for the policy "
        "alone, on the other half of the videos; of the yes: flips among answers that are a yes on "
        "either side. Savings are against encoding and "
        "prefilling every window from nothing; on the video: without the questions' own tokens. "
        f"Bold: the default. --decode {setup['decode']}; full recomputation decodes all.",
        style="dim",
    )


def print_paired(report: PairedReport) -> None:
    """Prints how answers with what changed decoded differ from those with everything decoded."""
    setup, table = report.setup, _table(PAIRED_COLUMNS)
    for row in report.rows:
        table.add_row(*row.cells(), style="bold" if row.default else "")
    console = open_console()
    console.print(table)
    for row in report.rows:
        why = reasons(DecodeCount(**row.decoding))
        console.print(
            f"{row.policy}: {row.answers} answers, flips {row.interval} (95%); frames decoded "
            f"for: {why}"
        )
    console.print(
        f"{setup['model']} on {setup['videos']} videos of {setup['dataset']}, "
        f"{len(setup['questions'])} questions a window. Each policy with --decode auto beside "
        "itself with --decode all; flips are between the two, of the yes: of those that are a "
        "yes on either side. Bold: the default.",
        style="dim",
    )


def _print_rows(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[AccuracyRow],
    cells: Sequence[Sequence[str]],
) -> None:
    table = _table(headings)
    for row, values in zip(rows, cells, strict=True):
        table.add_row(*values, style="bold" if row.default else "")
    console.print(table)
    console.print()


def _kinds(rows: Sequence[AccuracyRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("F1 of")
    chosen = [row for row in rows if row.policy == "full" or row.default]
    for row in chosen:
        table.add_column(row.policy, justify="right")
    for kind in chosen[0].kinds:
        table.add_row(kind, *(f"{row.kinds[kind]:.3f}" for row in chosen))
    return table


def _savings(report: AccuracyReport) -> Table:
    table = _table(SAVINGS)
    for one in report.savings:
        later = "-" if one.later_flops is None else f"{one.later_flops:.0%}"
        shares = [f"{share:.0%}" for share in (one.tokens, one.flops, one.video_flops)]
        table.add_row(one.what, f"{one.stride:g}", *shares, later)
    return table


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    return table


def _quality(row: AccuracyRow, own_f1: float) -> tuple[str, ...]:
    return (
        row.policy,
        f"{row.f1:.3f}",
        f"{row.f1_low:.2f}-{row.f1_high:.2f}",
        f"{100 * row.f1_change:+.1f}",
        f"{100 * row.f1_change_low:+.0f}..{100 * row.f1_change_high:+.0f}",
        f"{own_f1:.3f}",
        f"{row.event_recall:.0%}",
        "-" if row.false_alarms is None else f"{row.false_alarms:.1f}",
        f"{row.flips:.1%}",
        f"{row.yes_flips:.0%}",
    )


def _cost(row: AccuracyRow) -> tuple[str, ...]:
    return (
        row.policy,
        "-" if row.auc is None else f"{row.auc:.3f}",
        "-" if row.delay_s is None else f"{row.delay_s:.1f}",
        f"{row.tokens_saved:.0%}",
        f"{row.flops_saved:.0%}",
        f"{row.video_flops_saved:.0%}",
        f"{row.windows_per_s:.1f}",
        f"{row.decoded:.0%}",
    )
