"""``costream doctor``: what is installed, for a report of a bug."""

from __future__ import annotations

import json

import typer

from costream.cli.app import app
from costream.cli.options import JsonOpt


@app.command()
def doctor(as_json: JsonOpt = False) -> None:
    """Tell versions, devices, threads and readers, and what of them is unusual.

    A report of a bug is asked for these ten lines. They name no source, question or secret.
    """
    from costream.cli.installation import report

    lines = report()
    if as_json:
        typer.echo(json.dumps(lines))
        return
    width = max(map(len, lines))
    for name, line in lines.items():
        typer.echo(f"{name:<{width}}  {line}")
