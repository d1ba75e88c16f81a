"""``costream bench speed``: CoStream against the stock model, side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from costream.checkpoints import check_model, is_untrained
from costream.cli.bench import bench
from costream.cli.checks import check_source
from costream.cli.console import open_console
from costream.cli.options import (
    AnchorOpt,
    DeviceOpt,
    FpsOpt,
    HoldOpt,
    JsonOpt,
    KeepOpt,
    ModelOpt,
    PrunerOpt,
    RefreshOpt,
    SourceArg,
    StrideOpt,
    WindowOpt,
    parse_size,
)
from costream.engine.asks import checked_asks
from costream.engine.refresh import DEFAULT_REFRESH
from costream.printable import printable
from costream.pruning import DEFAULT_PRUNER
from costream.settings import EngineSettings

if TYPE_CHECKING:
    from costream.lab.evaluate.speed import Cost, SpeedReport


COMPARED_SIZE = (224, 224)
"""What frames are resized to where nothing is said, or what the model takes that is next to it."""


@bench.command()
def speed(
    source: SourceArg,
    ask: Annotated[str, typer.Option("--ask", help="The question.")] = "Is someone fighting?",
    model: ModelOpt = "costream/untrained-150m",
    fps: FpsOpt = 2.0,
    window: WindowOpt = 8.0,
    stride: StrideOpt = 2.0,
    pruner: PrunerOpt = DEFAULT_PRUNER,
    refresh: RefreshOpt = DEFAULT_REFRESH,
    hold: HoldOpt = True,
    keep: KeepOpt = 0.2,
    anchor_every: AnchorOpt = None,
    frame_size: Annotated[
        str | None,
        typer.Option(
            "--frame-size",
            help="WIDTHxHEIGHT that frames are resized to (default: 224x224, or what the model "
            "takes that is next to it).",
        ),
    ] = None,
    windows: Annotated[
        int | None, typer.Option("--windows", min=1, help="Windows to compare (default: all).")
    ] = None,
    device: DeviceOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Compare with the stock transformers model that recomputes every window.

    Both sides use the same weights, decode the same file and take turns window by window;
    decoding and the extraction of motion are included.
    """
    settings = EngineSettings.checked(
        fps=fps,
        window=window,
        stride=stride,
        pruner=pruner,
        refresh=refresh,
        hold=hold,
        keep=keep,
        anchor_every=anchor_every,
        frame_size=parse_size(frame_size),
    )
    asks = checked_asks([ask])
    check_source(source)
    check_model(model)
    from costream.cli.loading import load_engine
    from costream.engine.engine import Engine
    from costream.lab.evaluate.speed import compare

    engine = load_engine(model, settings, device)
    if settings.frame_size is None:
        size = engine.model.nearest_size(COMPARED_SIZE)
        engine = Engine(engine.model, settings.model_copy(update={"frame_size": size}))
    report = compare(engine, source, asks[0], windows)
    if as_json:
        typer.echo(json.dumps({"model": model, **report.to_dict()}))
    else:
        _print(model, report)


def _print(model: str, report: SpeedReport) -> None:
    console, setup = open_console(), report.setup
    width, height = setup["frame_size"]
    table = Table(title=f"{len(report.stock)} windows of {printable(Path(setup['source']).name)}")
    for name in ("a window, mean", "transformers", "CoStream", "ratio"):
        table.add_column(name, justify="left" if name.startswith("a ") else "right")
    ratio = report.ratios
    rows = (
        ("seconds, decoding included", "seconds", "{:.3f}", f"{ratio['seconds']:.2f}x"),
        ("  of them decoding", "decode", "{:.3f}", ""),
        ("GFLOPs", "flops", "{:.1f}", f"{ratio['flops']:.2f}x"),
        ("visual tokens prefilled", "tokens", "{:.0f}", f"{ratio['tokens']:.2f}x"),
    )
    for name, field, form, times in rows:
        scale = 1e-9 if field == "flops" else 1.0
        sides = [
            form.format(scale * _mean(side, field)) for side in (report.stock, report.costream)
        ]
        table.add_row(name, *sides, times)
    console.print(table)
    agreement = report.agreement
    untrained = " (they mean nothing: the model is untrained)" if is_untrained(model) else ""
    console.print(
        f"Compared: {model}, {setup['parameters'] / 1e6:.0f}M parameters, {setup['dtype']} on "
        f"{setup['device']} ({setup['threads']} threads), frames {width}x{height}, window "
        f"{setup['window_frames']} frames, stride {setup['stride_frames']}, pruner "
        f"{setup['pruner']}, refresh {setup['refresh']}; median ratio of a window "
        f"{ratio['median_window']:.2f}x. Answers{untrained}: score differs by "
        f"{agreement['score_difference']:.4f} on average, {agreement['flips']:.0%} flip."
    )


def _mean(side: tuple[Cost, ...], field: str) -> float:
    return sum(float(getattr(cost, field)) for cost in side) / len(side)
