"""``costream inspect``: what a source looks like to the codec and to the pruners."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from costream.cli.access import CredentialsOpt, RtspTransportOpt, TimeoutOpt, access
from costream.cli.app import app
from costream.cli.checks import check_source, positive
from costream.cli.console import dim, open_console
from costream.cli.figures import reasons, share
from costream.cli.options import (
    DecodeOpt,
    FpsOpt,
    JsonOpt,
    SourceArg,
)
from costream.lab.inspect import FILM, LIVE_LIMIT, PICTURE, Inspection, inspect_source
from costream.printable import printable
from costream.pruning import DEFAULT_PRUNER
from costream.video import checked_decoding
from costream.video.errand import awaited
from costream.video.source import is_live_by_name

RATE_MARGIN = 0.02
"""Share by which a measured rate may differ from the stated one without both being shown."""


@app.command("inspect")
def inspect_command(
    source: SourceArg,
    fps: FpsOpt = 2.0,
    anchor_every: Annotated[
        float,
        typer.Option(
            "--anchor-every", help="Seconds between frames encoded whole.", callback=positive
        ),
    ] = 40.0,
    limit: Annotated[
        float | None,
        typer.Option(
            "--limit", help=f"Seconds to read (default: all; of a live source {LIVE_LIMIT:g})."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help=f"Directory to write {PICTURE} and {FILM} to.")
    ] = None,
    decode: DecodeOpt = "auto",
    rtsp_transport: RtspTransportOpt = None,
    timeout: TimeoutOpt = 10.0,
    credentials: CredentialsOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Show codec, GOP, motion vectors and how much each pruner would keep.

    With [bold]--out[/], a picture and a short film too: frame, motion, kept patches and the age of
    the others, at one telling moment and over the first minute.
    """
    check_source(source)
    read = partial(
        inspect_source,
        source,
        fps=fps,
        anchor_every=max(1, round(anchor_every * fps)),
        limit=limit,
        out=out,
        decode=checked_decoding(decode),
        **access(source, rtsp_transport, timeout, credentials),
    )
    found = awaited(read) if is_live_by_name(source) else read()
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
    else:
        _print(found)


def _print(found: Inspection) -> None:
    console = open_console()
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _facts(found).items():
        table.add_row(dim(name), value)
    for name, kept in found.kept.items():
        mark = "  (default)" if name == DEFAULT_PRUNER else ""
        table.add_row(dim(f"kept by {name}"), f"{kept:.1%}{mark}")
    console.print(table)
    if found.picture:
        console.print(printable(f"written: {found.picture}, {found.film}"), soft_wrap=True)


def _decoded(found: Inspection) -> str:
    count = found.decoding
    said = f"{share(count.decoded, count.total)} of the frames: {reasons(count)}"
    return said + (f" (since {found.why_whole})" if found.why_whole else "")


def _camera(found: Inspection) -> str:
    told = [] if found.camera_moved is None else [f"moves in {found.camera_moved:.0%} by vectors"]
    return ", ".join([*told, *(f"{name} {count}x" for name, count in found.scenes.items())]) or "-"


def _rate(found: Inspection) -> str:
    """Says the rate of the frames that were read, and beside it another that the file states."""
    stated, measured = found.stated_rate, found.frame_rate
    if measured is None:
        return "rate not stated" if stated is None else f"{stated:.4g} a second stated"
    if stated is None:
        return f"{measured:.4g} a second, not stated"
    if abs(measured - stated) <= RATE_MARGIN * stated:
        return f"{measured:.4g} a second"
    return f"{measured:.4g} a second ({stated:.4g} stated)"


def _facts(found: Inspection) -> dict[str, str]:
    size = f"{found.width}x{found.height}"
    if found.sample_aspect != "1:1":
        size += f", of samples of {found.sample_aspect}"
    if found.mirrored:
        size += ", mirrored"
    if found.rotation:
        size += f", rotated by {found.rotation} degrees"
    bits = "" if found.bit_rate is None else f", {found.bit_rate / 1e3:.0f} kbit/s"
    types = ", ".join(f"{count} {letter}" for letter, count in found.frame_types.items())
    return {
        "source": printable(found.source),
        "codec": " ".join(filter(None, (found.codec, found.profile))),
        "size": size,
        "frames": f"{found.frames} ({types}) in {found.seconds:.1f} s, {_rate(found)}{bits}",
        "GOP": found.gop.pattern,
        "motion": f"{found.motion}, vectors in {found.with_vectors:.0%} of the frames",
        "qp": "not told" if found.qp is None else f"{found.qp:.1f} on average",
        "whole picture": _camera(found),
        "damaged frames": str(found.damaged),
        "decoded": _decoded(found),
        "sampled": f"{found.samples} frames at {found.fps:g} a second, {found.groups} groups each",
    }
