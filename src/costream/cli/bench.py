"""``costream bench``: a group of benchmarks, of which ``speed`` is the one meant without a name."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from costream.cli.app import app

DEFAULT = "speed"


class SpeedByDefault(TyperGroup):
    """Reads ``costream bench SOURCE`` as ``costream bench speed SOURCE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the default's name before arguments that begin with no command's."""
        if args and args[0] not in {*self.commands, "--help"}:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


bench = typer.Typer(
    cls=SpeedByDefault,
    help="Measure what CoStream saves. [bold]bench SOURCE[/] is short for [bold]bench speed[/].",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(bench, name="bench")
