"""Options that several commands share, and how they become settings."""

from __future__ import annotations

from typing import Annotated

import typer

from costream.engine.refresh import REFRESH
from costream.errors import SettingsError
from costream.pruning import PRUNERS

SourceArg = Annotated[
    str, typer.Argument(help="File, URL (rtsp, rtmp, http, udp ...) or [bold]-[/] for a pipe.")
]
AskOpt = Annotated[
    list[str], typer.Option("--ask", help="A question of yes or no. May be given again.")
]
ModelOpt = Annotated[str, typer.Option("--model", help="Hub name or directory of a checkpoint.")]
FpsOpt = Annotated[float, typer.Option("--fps", help="Frames sampled a second.")]
WindowOpt = Annotated[float, typer.Option("--window", help="Length of the window in seconds.")]
StrideOpt = Annotated[float, typer.Option("--stride", help="How far it moves, in seconds.")]
PrunerOpt = Annotated[
    str, typer.Option("--pruner", help=f"Which patches are kept: {', '.join(PRUNERS)}.")
]
RefreshOpt = Annotated[
    str, typer.Option("--refresh", help=f"What is recomputed: {', '.join(REFRESH)}.")
]
KeepOpt = Annotated[float, typer.Option("--keep", help="Share kept by rules that take one.")]
AnchorOpt = Annotated[
    float | None,
    typer.Option(
        "--anchor-every",
        help="Seconds between frames encoded whole (default: the window's length).",
    ),
]
SizeOpt = Annotated[
    str | None,
    typer.Option(
        "--frame-size", help="WIDTHxHEIGHT that frames are resized to (default: the model's rule)."
    ),
]
DeviceOpt = Annotated[
    str | None, typer.Option("--device", help="Torch device (default: GPU, else CPU).")
]
SeedOpt = Annotated[int, typer.Option("--seed", min=0, help="Picks the scene and what happens.")]
JsonOpt = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Reads ``WIDTHxHEIGHT``.

    Raises:
        SettingsError: it is not of that form.
    """
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise SettingsError(f"frame size {text!r} is not of the form WIDTHxHEIGHT, such as 448x448")
    return int(width), int(height)
