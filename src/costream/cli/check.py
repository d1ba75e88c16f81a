"""``costream check``: whether a configuration file of the service can be used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from costream.cli.app import app
from costream.cli.console import dim, open_console
from costream.cli.options import JsonOpt
from costream.errors import SettingsError
from costream.printable import printable
from costream.video.naming import masked

if TYPE_CHECKING:
    from costream.serve.config.load import Reading
    from costream.serve.config.watched import WatchedCamera


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="The configuration, such as cameras.yaml.")
    ] = None,
    as_json: JsonOpt = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema, for editors.")
    ] = False,
) -> None:
    """Check a configuration file of costream serve, and tell all that is wrong with it.

    Nothing is opened but the files that it names: no camera, no model and no database.
    """
    check_extra()
    if schema:
        from costream.serve.config import reference

        typer.echo(json.dumps(reference.schema(), indent=2))
        return
    if file is None:
        raise SettingsError("name the file to check, such as costream check cameras.yaml")
    from costream.serve.config.load import read_config

    reading = read_config(file)
    if as_json:
        typer.echo(json.dumps(_outcome(reading)))
    else:
        _print(reading, str(file))
    if reading.config is None:
        raise typer.Exit(1)


def check_extra() -> None:
    """Ends the command where what the service needs is not installed.

    Raises:
        SettingsError: it is not.
    """
    needed = ("fastapi", "ruamel.yaml", "sqlalchemy", "uvicorn")
    if any(find_spec(name) is None for name in needed):
        raise SettingsError("the service needs more: pip install 'costream[serve]'")


def _outcome(reading: Reading) -> dict[str, Any]:
    return {
        "ok": reading.config is not None,
        "problems": [asdict(problem) for problem in reading.problems],
        "warnings": [asdict(warning) for warning in reading.warnings],
        "cameras": [
            {
                "id": camera.id,
                "source": masked(camera.config.url),
                "paused": camera.paused,
                "questions": [question.id for question in camera.questions],
            }
            for camera in _watched(reading)
        ],
        "sinks": [] if reading.config is None else list(reading.config.sinks),
    }


def _watched(reading: Reading) -> Sequence[WatchedCamera]:
    from costream.serve.config.resolve import resolve

    return () if reading.config is None else resolve(reading.config)


def _print(reading: Reading, file: str) -> None:
    errors = open_console(stderr=True)
    for problem in reading.problems:
        errors.print(problem.text(file), style="red", soft_wrap=True)
    for warning in reading.warnings:
        errors.print(f"{warning.text(file)} (a warning)", style="yellow", soft_wrap=True)
    if reading.config is None:
        return
    config = reading.config
    counts = [
        _count(len(config.cameras), "camera"),
        _count(len(config.questions), "question"),
        _count(len(config.sinks), "sink"),
    ]
    console = open_console()
    console.print(f"ok: {', '.join(counts)}", soft_wrap=True)
    if config.cameras:
        console.print(_table(_watched(reading)))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _table(cameras: Sequence[WatchedCamera]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("camera", "source", "asked", "when"):
        table.add_column(column, overflow="fold")
    for camera in cameras:
        asked = ", ".join(
            question.id + (f" ({question.zone})" if question.zone else "")
            for question in camera.questions
        )
        table.add_row(camera.id, dim(printable(masked(camera.config.url))), asked, _when(camera))
    return table


def _when(camera: WatchedCamera) -> str:
    if camera.paused:
        return "paused"
    if camera.schedule:
        return "by schedule"
    scheduled = [question.id for question in camera.questions if question.schedule]
    if not scheduled:
        return "always"
    if len(scheduled) == len(camera.questions):
        return "by schedule"
    return f"always; by schedule: {', '.join(scheduled)}"
