"""``costream train``: trains the embedded models on the synthetic world."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from costream.cli.app import app
from costream.cli.options import DeviceOpt


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="Which recipe: tiny or tiny-internvl.")] = "tiny",
    out: Annotated[
        Path, typer.Option("--out", help="Folder of clips, checkpoints, curves and model.")
    ] = Path("out/train"),
    stages: Annotated[
        str | None,
        typer.Option(
            "--stages",
            help="Which stages to run, with commas between (default: all). perception and "
            "language need not wait for each other.",
        ),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the curves too (needs costream\\[plots]).")
    ] = False,
    device: DeviceOpt = None,
) -> None:
    """Train an embedded model on the synthetic world; a run that was cut off goes on."""
    from costream.errors import SettingsError
    from costream.lab.train import RECIPES, STAGES
    from costream.lab.train import train as run
    from costream.lab.train.curves import plot_curves

    if model not in RECIPES:
        raise SettingsError(f"unknown recipe {model!r}: choose one of {', '.join(RECIPES)}")
    chosen = stages.split(",") if stages else tuple(STAGES)
    typer.echo(run(RECIPES[model], out, stages=chosen, device=device or "cpu"))
    if plot:
        typer.echo(plot_curves(out / "curves.jsonl", out / "curves.png"))
