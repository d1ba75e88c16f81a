"""``costream bench bitstream``: what our own reader reads of files, and how fast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from costream.cli.bench import bench
from costream.cli.console import open_console
from costream.cli.options import JsonOpt
from costream.printable import printable


@bench.command("bitstream")
def bitstream(
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="Files to read.")],
    as_json: JsonOpt = False,
) -> None:
    """Read files with our own H.264 and H.265 reader: slices, agreement with FFmpeg, speed.

    Speed is processor time of FFmpeg's single-threaded decoding over that of reading, both in turn
    in this run.
    """
    from costream.lab.evaluate.bitstream import rate_reader

    rows = [rate_reader(source) for source in sources]
    if as_json:
        typer.echo(json.dumps([row.to_dict() for row in rows]))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in (
        "source",
        "codec",
        "slices",
        "unsupported",
        "vectors\nequal",
        "times as fast\nas decoding",
    ):
        left = heading in ("source", "codec", "unsupported")
        table.add_column(heading, justify="left" if left else "right")
    for row in rows:
        table.add_row(
            printable(Path(row.source).name),
            row.codec,
            str(row.slices),
            ", ".join(f"{count} {why}" for why, count in row.unsupported.items()) or "-",
            "-" if row.mv_equal is None else f"{row.mv_equal:.4%}",
            "-" if row.speedup is None else f"{row.speedup:.1f}",
        )
    open_console().print(table)
