"""``costream train``: trains the embedded models on the synthetic world."""

from __future__ import annotations

from dataclasses import replace
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
            help="Which stages to run, with commas between (default: all). Those of the vision "
            "encoder and language need not wait for each other.",
        ),
    ] = None,
    begun: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="A model that was trained by the same recipe, a name or a directory: from its "
            "weights, in a new folder, come the steps of the recipe that it has not behind it.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", min=1, help="Steps of the last stage of this run: of joint or reading."
        ),
    ] = None,
    validation: Annotated[
        int | None,
        typer.Option(
            "--validation", min=1, help="Videos that scores are calibrated by (default: 720)."
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
    from costream.lab.train.beginning import go_on_from
    from costream.lab.train.curves import plot_curves

    if model not in RECIPES:
        raise SettingsError(f"unknown recipe {model!r}: choose one of {', '.join(RECIPES)}")
    chosen = stages.split(",") if stages else tuple(STAGES)
    recipe = RECIPES[model]
    if begun is not None:
        recipe = go_on_from(recipe, begun, steps)
    elif steps is not None:
        last = replace(getattr(recipe, recipe.last), steps=steps)
        recipe = replace(recipe, **{recipe.last: last})
    typer.echo(run(recipe, out, stages=chosen, device=device or "cpu", validation=validation))
    if plot:
        typer.echo(plot_curves(out / "curves.jsonl", out / "curves.png"))
