"""``costream demo``: the synthetic camera, live."""

from __future__ import annotations

from typing import Annotated

import typer

from costream.cli.app import app
from costream.cli.checks import positive
from costream.cli.options import (
    DeviceOpt,
    JsonOpt,
    ModelOpt,
    PrunerOpt,
    RefreshOpt,
    SeedOpt,
    settings_for,
)

DEFAULTS = {"window": 16.0, "stride": 4.0, "frame_size": (448, 256)}
"""Settings of the demo for models that recommend none."""

ASKED = 4
"""How many of the programme's events are asked about."""


@app.command()
def demo(
    seconds: Annotated[
        float, typer.Option("--seconds", help="Length of the stream.", callback=positive)
    ] = 120.0,
    seed: SeedOpt = 3,
    fast: Annotated[
        bool, typer.Option("--fast", help="As fast as it goes, not in real time.")
    ] = False,
    model: ModelOpt = "costream/tiny",
    pruner: PrunerOpt = None,
    refresh: RefreshOpt = None,
    device: DeviceOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Watch a synthetic world that is rendered and encoded with H.264 while it runs."""
    settings = settings_for(model, {"pruner": pruner, "refresh": refresh}, DEFAULTS)
    from costream.cli.display import show_results
    from costream.cli.loading import load_engine
    from costream.lab.synth import EVENTS, LiveCamera
    from costream.lab.synth.programme import PROGRAMME, show_programme
    from costream.video import Stream

    live = LiveCamera(show_programme(seed, seconds), seconds=seconds, realtime=not fast)
    asks = [EVENTS[kind].questions[0] for kind in PROGRAMME[:ASKED]]
    engine, motion = load_engine(model, settings, device), settings.uses_motion
    with live, Stream(live.file, motion=motion, name="synthetic camera") as stream:
        show_results(engine, stream, asks, model, as_json=as_json)
