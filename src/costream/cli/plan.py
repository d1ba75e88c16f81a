"""``costream plan``: how many cameras fit, from a model's configuration alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from costream.cli.app import app
from costream.cli.checks import check_dtype, check_kv_dtype, positive
from costream.cli.console import dim, open_console
from costream.cli.options import (
    JsonOpt,
    KVDtypeOpt,
    ModelFpsOpt,
    ModelOpt,
    SizeOpt,
    StrideOpt,
    WindowOpt,
    parse_size,
    settings_for,
)
from costream.cli.quantities import binary_size, parse_camera, parse_memory
from costream.engine.camera import DECODE_FPS, SHARES
from costream.printable import printable

if TYPE_CHECKING:
    from costream.engine.estimate import Estimate


@app.command()
def plan(
    gpu_memory: Annotated[
        str,
        typer.Option("--gpu-memory", help="Memory that is free for this, such as 24GiB or 24GB."),
    ],
    source: Annotated[
        list[str],
        typer.Option(
            "--source",
            help="A kind of camera: WIDTHxHEIGHT@FPS. Given again, cameras are of all kinds in "
            "equal parts.",
        ),
    ],
    model: ModelOpt = "costream/tiny",
    fps: ModelFpsOpt = None,
    window: WindowOpt = None,
    stride: StrideOpt = None,
    frame_size: SizeOpt = None,
    questions: Annotated[
        int, typer.Option("--questions", min=1, help="Questions asked of every camera.")
    ] = 4,
    dtype: Annotated[
        str, typer.Option("--dtype", help="Of weights and cache: float32, bfloat16 or float16.")
    ] = "bfloat16",
    kv_dtype: KVDtypeOpt = None,
    tflops: Annotated[
        float | None,
        typer.Option(
            "--tflops",
            help="Sustained 10^12 FLOPs a second of the device, which decides about cameras by "
            "compute.",
            callback=positive,
        ),
    ] = None,
    cores: Annotated[
        int | None,
        typer.Option("--cores", min=1, help="Cores that decode (default: this machine's)."),
    ] = None,
    decode_fps: Annotated[
        float,
        typer.Option(
            "--decode-fps",
            help="Frames of 1920x1080 that a core decodes a second; other sizes by their pixels.",
            callback=positive,
        ),
    ] = DECODE_FPS,
    as_json: JsonOpt = False,
) -> None:
    """Tell how many cameras fit, by memory, compute and decoding, before anything is loaded.

    The model's configuration and preprocessing files are enough: no weights are read.
    """
    memory, cameras = parse_memory(gpu_memory), [parse_camera(text) for text in source]
    check_dtype(dtype)
    check_kv_dtype(kv_dtype)
    given = {"fps": fps, "window": window, "stride": stride, "frame_size": parse_size(frame_size)}
    settings = settings_for(model, given)
    import torch

    from costream.cli.assumptions import assumptions
    from costream.engine.capacity import Device
    from costream.engine.estimate import Estimate
    from costream.models.outline import load_outline

    device = Device(memory, tflops, cores or len(os.sched_getaffinity(0)), decode_fps)
    outline = load_outline(model, getattr(torch, dtype))
    packed = kv_dtype is not None
    found = Estimate.of(outline, settings, cameras, device, questions=questions, packed=packed)
    notes = assumptions(found)
    if as_json:
        typer.echo(json.dumps({"model": model, **found.to_dict(), "assumed": notes}))
    else:
        types = f"{dtype}, keys and values {kv_dtype or dtype}"
        _print(found, f"{printable(model)} ({types})", notes)


def _print(found: Estimate, title: str, notes: list[str]) -> None:
    console = open_console()
    console.print(title, soft_wrap=True)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("groups kept")
    for name, share in SHARES.items():
        table.add_column(f"{name}, {share:.0%}", justify="right")
    for name, cells in [*_memory(found), *_streams(found), *_cameras(found)]:
        table.add_row(dim(name), *cells)
    console.print(table)
    console.print("Assumed:")
    for note in notes:
        console.print(f"- {note}")


_PARTS = {
    "kept": "rows of groups kept",
    "labels": "rows of labels",
    "before": "rows from before",
    "features": "features of these",
    "encoder_memory": "vision encoder's memory",
}
"""What makes up a stream: names of :attr:`StreamCost.parts`, and how they are shown."""

Row = tuple[str, list[str]]
"""A line of the table: what it counts, and a figure for every share."""


def _memory(found: Estimate) -> list[Row]:
    """Returns what all streams share, and what one takes."""
    return [
        ("weights", [binary_size(found.outline.weight_bytes)] * len(SHARES)),
        ("scratch of a batch", [binary_size(found.scratch[name].bytes) for name in SHARES]),
        ("the prompt", [binary_size(found.prompt_bytes)] * len(SHARES)),
        ("a stream", [binary_size(found.stream_bytes[name]) for name in SHARES]),
    ]


def _streams(found: Estimate) -> Iterator[Row]:
    """Yields what makes up a stream of each kind of camera."""
    for stream in found.streams:
        size = f"{stream.geometry.width}x{stream.geometry.height}"
        costs = [stream.costs[name] for name in SHARES]
        yield f"  {stream.camera} at {size}", [binary_size(cost.bytes) for cost in costs]
        for part, name in _PARTS.items():
            yield f"    {name}", [binary_size(cost.parts[part]) for cost in costs]
        yield "    more in a batch", [binary_size(cost.passing) for cost in costs]


def _cameras(found: Estimate) -> list[Row]:
    """Returns what a window costs, and how many cameras fit."""
    compute = found.by_compute
    return [
        ("GFLOPs a window", [_billions(found.window_flops[name]) for name in SHARES]),
        ("cameras by memory", [str(found.by_memory[name]) for name in SHARES]),
        ("cameras by compute", ["-" if compute is None else str(compute[n]) for n in SHARES]),
        ("cameras by decoding", [str(found.by_decoding)] * len(SHARES)),
    ]


def _billions(flops: int) -> str:
    billions = flops / 1e9
    return f"{billions:,.0f}" if billions >= 100 else f"{billions:.3g}"
