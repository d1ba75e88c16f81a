"""``costream bench signal``: every pruner judged as a detector of what changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from costream.cli.bench import bench
from costream.cli.checks import positive
from costream.cli.console import dim, open_console
from costream.cli.options import FpsOpt, JsonOpt
from costream.printable import printable

if TYPE_CHECKING:
    from costream.lab.evaluate.signal import SignalRow, SignalSetup

MISSED, IDLE = 0.98, 0.7
"""Recall and precision under which the table marks a row."""


@bench.command("signal")
def signal(
    more: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    source: Annotated[
        list[Path] | None,
        typer.Option(
            "--source",
            metavar="FILE...",
            help="Files to judge by pixel comparison, instead of generated streams.",
        ),
    ] = None,
    fps: FpsOpt = 2.0,
    anchor_every: Annotated[
        float,
        typer.Option(
            "--anchor-every", help="Seconds between frames encoded whole.", callback=positive
        ),
    ] = 40.0,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames in a temporal patch.")] = 1,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds", min=1, help="Length of the generated streams.", callback=positive
        ),
    ] = 40.0,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the generated streams' camera.")
    ] = 7,
    quick: Annotated[
        bool, typer.Option("--quick", help="Generate one stream of each codec only.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Directory to write plots to (needs costream\\[plots])."),
    ] = None,
    as_json: JsonOpt = False,
) -> None:
    """Judge every pruner as a detector: recall, precision, share kept, and cost.

    Generated streams are judged by the synthetic camera's truth, files by pixel comparison. What is
    counted how stands in [bold]costream.lab.evaluate[/] (judge, detection, overhead).
    """
    from costream.lab.evaluate.signal import SignalSetup

    setup = SignalSetup(
        fps=fps,
        anchor_every=max(1, round(anchor_every * fps)),
        frames=frames,
        seconds=seconds,
        seed=seed,
    )
    rows: list[SignalRow] = []
    console = open_console(stderr=True)
    for part in _parts([*(source or []), *(more or [])], setup, quick, console):
        rows += part
    if as_json:
        typer.echo(json.dumps([row.to_dict() for row in rows]))
    else:
        _print(rows)
    if out is not None:
        from costream.lab.evaluate.signal_plots import plot_signal

        for path in plot_signal(rows, out):
            console.print(printable(f"plot: {path}"), soft_wrap=True)


def _parts(
    source: list[Path], setup: SignalSetup, quick: bool, console: Console
) -> Iterator[list[SignalRow]]:
    from costream.lab.evaluate.signal import signal_of_case, signal_of_file
    from costream.lab.evaluate.signal_case import quick_cases, signal_cases

    for path in source:
        console.print(printable(f"reading {path}"), style="dim", soft_wrap=True)
        yield signal_of_file(path, setup)
    if source:
        return
    for case in quick_cases() if quick else signal_cases():
        console.print(f"generating {case.codec}, {case.setting}", style="dim")
        yield signal_of_case(case, replace(setup, seconds=min(setup.seconds, case.longest)))


def _print(rows: list[SignalRow]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("pruner", no_wrap=True)
    for name in ("keep", "overall", "recall", "precision", "cost", "changed"):
        table.add_column(name, justify="right")
    previous = ""
    for row in rows:
        stream = f"{row.source}, {row.codec}" + (f", {row.setting}" if row.setting else "")
        if stream != previous:
            table.add_row(dim(printable(stream)))
        previous = stream
        table.add_row(*_cells(row), style="bold" if row.default else "")
    console = open_console()
    console.print(table)
    console.print(
        "keep: share of groups kept. keep, recall, precision: of frames not kept whole. overall: "
        "keep, whole frames included. cost: decoding, extraction and decision over decoding alone. "
        "Bold: the default.",
        style="dim",
    )
    _print_evidence(console, rows)


def _print_evidence(console: Console, rows: list[SignalRow]) -> None:
    from costream.lab.evaluate.codec_gain import compare_evidence

    found = compare_evidence(rows)
    if not found:
        return
    table = Table(box=None, pad_edge=False, title_justify="left", title_style="")
    table.title = "What the codec adds to luma: vectors, and residuals"
    for name in ("codec", "pruner"):
        table.add_column(name, no_wrap=True)
    for name in ("streams", "keep", "recall", "least", "precision", "cost"):
        table.add_column(name, justify="right")
    for one in found:
        figures = (one.keep, one.recall, one.least, one.precision)
        cells = [f"{one.streams}", *(f"{figure:.3f}" for figure in figures), f"{one.cost:.2f}"]
        table.add_row(one.codec, one.pruner, *cells)
    console.print()
    console.print(table)


def _cells(row: SignalRow) -> list[str | Text]:
    return [
        f"  {row.pruner}",
        f"{row.keep:.3f}",
        f"{row.overall:.3f}",
        Text(f"{row.recall:.3f}", style="red" if row.recall < MISSED else ""),
        Text(f"{row.precision:.3f}", style="red" if row.precision < IDLE else ""),
        f"{row.cost:.2f}",
        f"{row.changed:.3f}",
    ]
