"""``costream bench decode``: what decoding only some pictures costs and loses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from costream.cli.bench import bench
from costream.cli.checks import check_sources
from costream.cli.console import dim, open_console
from costream.cli.options import FpsOpt, JsonOpt
from costream.errors import SettingsError
from costream.printable import printable

if TYPE_CHECKING:
    from costream.lab.evaluate.decoding import DecodeRow, DecodeSetup

LOST, DEAR = 0.005, 1.05
"""Recall below that of full decoding, and total cost, from which the table marks a row."""


@bench.command("decode")
def decode(
    more: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    source: Annotated[
        list[Path] | None,
        typer.Option(
            "--source",
            metavar="FILE...",
            help="Files to measure, judged by what full decoding keeps, instead of generated "
            "streams.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="PATTERN",
            help="Generate streams with such names only, as [bold]x265, visits, *GOP 12*[/]. May "
            "be given again.",
        ),
    ] = None,
    names: Annotated[
        bool, typer.Option("--names", help="Print the names of the streams, and measure nothing.")
    ] = False,
    fps: FpsOpt = 2.0,
    rounds: Annotated[
        int,
        typer.Option("--rounds", min=1, help="Times that a stream is timed, in all modes at once."),
    ] = 3,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the generated streams' camera.")
    ] = 7,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Directory to write plots to (needs costream\\[plots])."),
    ] = None,
    as_json: JsonOpt = False,
) -> None:
    """Decode all pictures of a stream or only some: processor time, recall, streams a core.

    Generated streams are judged by the synthetic camera's truth; they are kept in the user's cache.
    What is measured how: docs/decoding.md.
    """
    from costream.lab.evaluate.decode_case import decode_cases
    from costream.lab.evaluate.decoding import DecodeSetup
    from costream.lab.evaluate.figures import check_plots

    begun = perf_counter()
    sources = [*(source or []), *(more or [])]
    check_sources([str(path) for path in sources])
    if names:
        typer.echo("\n".join(case.name for case in decode_cases(only or ())))
        return
    if out is not None:
        check_plots()
    setup = DecodeSetup(fps=fps, seed=seed, rounds=rounds)
    console = open_console(stderr=True)
    rows: list[DecodeRow] = []
    for part in _parts(sources, only or [], setup, console):
        rows += part
    if as_json:
        typer.echo(json.dumps([row.to_dict() for row in rows]))
    else:
        _print(rows, perf_counter() - begun)
    if out is not None:
        from costream.lab.evaluate.decode_plots import plot_decoding

        for path in plot_decoding(rows, out):
            console.print(printable(f"plot: {path}"), soft_wrap=True)


def _parts(
    sources: Sequence[Path], only: Sequence[str], setup: DecodeSetup, console: Console
) -> Iterator[list[DecodeRow]]:
    from costream.lab.evaluate.decode_case import decode_cases
    from costream.lab.evaluate.decoding import decoding_of_case, decoding_of_file

    for path in sources:
        console.print(printable(f"reading {path}"), style="dim", soft_wrap=True)
        yield decoding_of_file(path, setup)
    if sources:
        return
    cases = decode_cases(only)
    if not cases:
        raise SettingsError(
            f"no stream is called {' or '.join(only)}: costream bench decode --names prints them"
        )
    for number, case in enumerate(cases, 1):
        console.print(f"{number} of {len(cases)}: {case.name}", style="dim", soft_wrap=True)
        yield decoding_of_case(case, setup)


def _print(rows: Sequence[DecodeRow], seconds: float) -> None:
    from costream.lab.evaluate.decoding import WHOLE

    console = open_console()
    others = [row for row in rows if row.mode != WHOLE]
    console.print(_losses(others))
    console.print(
        "cost: processor time of reading over full decoding's. total: with the pruner's. "
        "decoded: share of the frames. recall: of the groups that really changed (of files: that "
        "full decoding kept), and full decoding's. same: of what either keeps, what both keep in "
        "the same tick.",
        style="dim",
    )
    for mode in dict.fromkeys(row.mode for row in others):
        _print_worst(console, [row for row in others if row.mode == mode])
    loads = _loads(rows)
    if loads.row_count:
        console.print()
        console.print(loads)
    console.print(f"measured in {seconds:.0f} s, generating streams included", style="dim")


def _losses(rows: Sequence[DecodeRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("setting", overflow="fold")
    for name in ("cost", "total", "decoded", "recall", "full", "same"):
        table.add_column(name, justify="right", no_wrap=True)
    for heading, part in _by_heading(rows).items():
        table.add_row(dim(printable(heading)))
        for row in part:
            table.add_row(f"  {printable(row.setting or row.source)}", *_figures(row))
        if len(part) > 1:
            table.add_row("  mean", *_means(part), style="bold")
    return table


def _by_heading(rows: Sequence[DecodeRow]) -> dict[str, list[DecodeRow]]:
    found: dict[str, list[DecodeRow]] = {}
    for row in rows:
        heading = ", ".join(part for part in (row.codec, row.activity, row.mode) if part)
        found.setdefault(heading, []).append(row)
    return found


def _figures(row: DecodeRow) -> list[str | Text]:
    return [
        f"{row.cost:.2f}",
        Text(f"{row.total:.2f}", style="red" if row.total > DEAR else ""),
        f"{row.decoded:.2f}",
        Text(f"{row.recall:.3f}", style="red" if row.recall < row.full - LOST else ""),
        f"{row.full:.3f}",
        f"{row.same:.3f}",
    ]


def _means(rows: Sequence[DecodeRow]) -> list[str]:
    return [
        f"{fmean(row.cost for row in rows):.2f}",
        f"{fmean(row.total for row in rows):.2f}",
        f"{fmean(row.decoded for row in rows):.2f}",
        f"{fmean(row.recall for row in rows):.3f}",
        f"{fmean(row.full for row in rows):.3f}",
        f"{fmean(row.same for row in rows):.3f}",
    ]


def _print_worst(console: Console, rows: Sequence[DecodeRow]) -> None:
    least = min(rows, key=lambda row: row.recall)
    lost = max(rows, key=lambda row: row.full - row.recall)
    dearest = max(rows, key=lambda row: row.total)
    losing = sum(row.recall < row.full - LOST for row in rows)
    lines = (
        f"{rows[0].mode}: {losing} of {len(rows)} streams lose more than {LOST:.1%} of recall.",
        f"  least recall {least.recall:.3f} (full {least.full:.3f}): {_name(least)}",
        f"  most lost {lost.full - lost.recall:.3f}: {_name(lost)}",
        f"  dearest {dearest.total:.2f}: {_name(dearest)}",
    )
    for line in lines:
        console.print(printable(line))


def _loads(rows: Sequence[DecodeRow]) -> Table:
    from costream.lab.evaluate.decode_case import SIZES
    from costream.lab.evaluate.decode_stages import STAGES

    table = Table(box=None, pad_edge=False, title_justify="left", title_style="")
    table.title = "Streams in real time on one core, and where its time goes"
    for name in ("codec", "activity", "picture", "mode"):
        table.add_column(name, no_wrap=True)
    for name in ("streams", *STAGES):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        if row.setting in SIZES or not row.setting:
            shares = (f"{row.shares[stage]:.0%}" for stage in STAGES)
            cells = (row.codec, row.activity or "-", f"{row.height}p", row.mode)
            table.add_row(*cells, f"{row.streams:.0f}", *shares)
    return table


def _name(row: DecodeRow) -> str:
    return f"{row.codec}, {row.activity}, {row.setting}" if row.setting else row.source
