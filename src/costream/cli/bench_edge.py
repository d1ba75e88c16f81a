"""``costream bench edge``: what an edge sends, beside other ways to send a camera."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from costream.cli.bench import bench
from costream.cli.checks import check_sources
from costream.cli.console import dim, open_console
from costream.cli.options import FpsOpt, JsonOpt
from costream.errors import SettingsError
from costream.printable import printable

if TYPE_CHECKING:
    from costream.lab.evaluate.forwarding import ForwardRow

SEED = 7
"""Of the generated streams' camera, as ``costream bench decode`` has it by default."""


@bench.command("edge")
def edge(
    files: Annotated[list[Path] | None, typer.Argument(help="Files to measure.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="PATTERN",
            help="Generated streams of such names as well, as [bold]x264, quiet, 720p[/]: costream "
            "bench decode --names prints them. May be given again.",
        ),
    ] = None,
    fps: FpsOpt = 2.0,
    as_json: JsonOpt = False,
) -> None:
    """What costream edge sends of a stream: beside all of it, H.264 at the same QP, and JPEGs.

    Everything is really followed and really encoded; requests are counted with their heads, without
    TLS and TCP.
    """
    check_sources([str(path) for path in files or ()])
    rows = list(_rows(files or [], only or [], fps))
    if as_json:
        typer.echo(json.dumps([row.to_dict() for row in rows]))
    else:
        _print(rows)


def _rows(files: list[Path], only: list[str], fps: float) -> Iterator[ForwardRow]:
    from costream.lab.evaluate.decode_case import decode_cases
    from costream.lab.evaluate.forwarding import forwarding_of

    cases = decode_cases(only) if only else []
    if not files and not cases:
        raise SettingsError("name files to measure, or generated streams by --only")
    for path in files:
        yield forwarding_of(path, path.name, fps)
    for case in cases:
        yield forwarding_of(case.file(SEED), case.name, fps)


def _print(rows: list[ForwardRow]) -> None:
    console = open_console()
    table = Table(box=None, pad_edge=False)
    columns = ("seconds", "camera kB/s", "edge kB/s", "share", "x264 kB/s", "QP", "JPEG kB/s")
    table.add_column(dim("stream"))
    for column in (*columns, "shown", "decoded", "processor"):
        table.add_column(dim(column), justify="right")
    for row in rows:
        rates = [count / row.seconds / 1000 for count in (row.full, row.sent)]
        others = [count / row.seconds / 1000 for count in (row.encoded, row.jpegs)]
        table.add_row(
            printable(row.name),
            f"{row.seconds:.0f}",
            *(f"{rate:.2f}" for rate in rates),
            f"{row.sent / row.full:.1%}",
            f"{others[0]:.2f}",
            str(row.qp),
            f"{others[1]:.2f}",
            f"{row.shown}/{row.ticks}",
            f"{row.decoded:.0%}",
            f"{row.processor:.1%}",
        )
    console.print(table)
    console.print(
        "share: of the camera's bytes. x264, JPEG: the sampled pictures, encoded anew. shown: "
        "pictures that were sent, of those sampled. processor: of a core.",
        style="dim",
    )
