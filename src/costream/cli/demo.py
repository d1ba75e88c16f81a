"""``costream demo`` and ``costream synth``: the synthetic camera, live or as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from costream.cli.app import app
from costream.cli.options import (
    DeviceOpt,
    JsonOpt,
    ModelOpt,
    PrunerOpt,
    RefreshOpt,
    settings_for,
)
from costream.errors import SourceError

ASKS = ["Has someone fallen to the floor?", "Is somebody walking?"]

DEFAULTS = {"window": 16.0, "stride": 4.0, "frame_size": (448, 256)}
"""Settings of the demo for models that recommend none."""

SeedOpt = Annotated[int, typer.Option("--seed", min=0, help="Picks the scene and what happens.")]


@app.command()
def demo(
    seconds: Annotated[float, typer.Option("--seconds", help="Length of the stream.")] = 60.0,
    seed: SeedOpt = 7,
    fast: Annotated[
        bool, typer.Option("--fast", help="As fast as it goes, not in real time.")
    ] = False,
    model: ModelOpt = "costream/tiny",
    pruner: PrunerOpt = None,
    refresh: RefreshOpt = None,
    device: DeviceOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Watch a synthetic camera that is rendered and encoded with H.264 while it runs."""
    settings = settings_for(model, {"pruner": pruner, "refresh": refresh}, DEFAULTS)
    from costream.cli.display import show_verdicts
    from costream.cli.loading import load_engine
    from costream.synth import LiveCamera, SyntheticCamera
    from costream.video import Stream

    engine = load_engine(model, settings, device)
    live = LiveCamera(SyntheticCamera(seed=seed), seconds=seconds, realtime=not fast)
    motion = settings.uses_motion
    with live, Stream(live.file, motion=motion, name="synthetic camera") as stream:
        show_verdicts(engine, stream, ASKS, model, as_json=as_json)


@app.command()
def synth(
    file: Annotated[Path, typer.Argument(help="File to write, such as camera.mp4.")],
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Its length.")] = 60.0,
    seed: SeedOpt = 7,
    size: Annotated[str, typer.Option("--size", help="WIDTHxHEIGHT in pixels.")] = "640x360",
    rate: Annotated[float, typer.Option("--rate", help="Native frames a second.")] = 25.0,
    codec: Annotated[str, typer.Option("--codec", help="libx264 or libx265.")] = "libx264",
    gop: Annotated[int, typer.Option("--gop", help="Frames from I-frame to I-frame.")] = 50,
    bframes: Annotated[int, typer.Option("--bframes", help="B-frames in a row.")] = 0,
) -> None:
    """Write the synthetic camera's stream to a file, to try the other commands on."""
    from typing import cast

    from costream.cli.options import parse_size
    from costream.synth import EncoderSettings, SyntheticCamera, encode
    from costream.synth.encoder import Codec

    width, height = parse_size(size) or (640, 360)
    camera = SyntheticCamera(seed, width=width, height=height, fps=rate)
    settings = EncoderSettings(codec=cast("Codec", codec), gop=gop, bframes=bframes)
    frames = (camera.frame(index) for index in range(max(1, round(seconds * rate))))
    try:
        typer.echo(encode(frames, file, fps=rate, settings=settings))
    except OSError as error:
        raise SourceError(
            f"can't write {file}: {(error.strerror or str(error)).lower()}"
        ) from error
