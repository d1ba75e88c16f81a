"""``costream synth``: the synthetic camera as a file, or a data set of the synthetic world."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from costream.cli.app import app
from costream.cli.checks import positive
from costream.cli.options import SeedOpt, parse_size
from costream.errors import SettingsError, SourceError


@app.command()
def synth(
    file: Annotated[
        Path | None, typer.Argument(help="File to write, such as camera.mp4.", show_default=False)
    ] = None,
    seed: SeedOpt = 7,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, help="The file's length.", callback=positive)
    ] = 60.0,
    size: Annotated[
        str | None,
        typer.Option(
            "--size", help="WIDTHxHEIGHT in pixels (default: 640x360; 448x256 in a data set)."
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option("--rate", help="Native frames a second.", callback=positive)
    ] = 25.0,
    codec: Annotated[str, typer.Option("--codec", help="libx264 or libx265.")] = "libx264",
    gop: Annotated[int, typer.Option("--gop", help="Frames from I-frame to I-frame.")] = 50,
    bframes: Annotated[int, typer.Option("--bframes", help="B-frames in a row.")] = 0,
    dataset: Annotated[
        Path | None,
        typer.Option(
            "--dataset",
            help="Folder to write a data set to, instead of a file: annotated videos of nine kinds "
            "of event in five places, in the layout of UCF-Crime.",
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            "--split",
            help="The data set's split: train, validation or test, of clips, or "
            "long: ten minutes a video, sparse events, light that changes, cameras that shake.",
        ),
    ] = "test",
    videos: Annotated[int, typer.Option("--videos", help="Videos of the data set.")] = 20,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Videos that are made at a time.")
    ] = 1,
) -> None:
    """Write the synthetic camera's stream to a file, or a data set, to try other commands on."""
    if (file is None) == (dataset is None):
        raise SettingsError("say what to write: either a file or --dataset FOLDER")
    target = file or dataset
    try:
        if dataset is not None:
            _write_dataset(dataset, split, videos, seed, size, processes)
        elif file is not None:
            _write_file(file, seed, seconds, size, rate, codec, gop, bframes)
    except OSError as error:
        raise SourceError(
            f"can't write {target}: {(error.strerror or str(error)).lower()}"
        ) from error


def _write_file(
    file: Path,
    seed: int,
    seconds: float,
    size: str | None,
    rate: float,
    codec: str,
    gop: int,
    bframes: int,
) -> None:
    from costream.lab.synth import EncoderSettings, SyntheticCamera, encode
    from costream.lab.synth.encoder import Codec

    width, height = parse_size(size) or (640, 360)
    camera = SyntheticCamera(seed, width=width, height=height, fps=rate)
    settings = EncoderSettings(codec=cast("Codec", codec), gop=gop, bframes=bframes)
    frames = (camera.frame(index) for index in range(max(1, round(seconds * rate))))
    typer.echo(encode(frames, file, fps=rate, settings=settings))


def _write_dataset(
    folder: Path, split: str, videos: int, seed: int, size: str | None, processes: int
) -> None:
    from costream.lab.synth import write_dataset, write_long_set
    from costream.lab.synth.dataset import SIZE, Split

    shape = parse_size(size) or SIZE
    if split == "long":
        made = write_long_set(folder, videos=videos, seed=seed, size=shape, processes=processes)
    else:
        made = write_dataset(
            folder,
            split=cast("Split", split),
            videos=videos,
            seed=seed,
            size=shape,
            processes=processes,
        )
    for recipe in made:
        typer.echo(folder / recipe.name)
