"""``costream bench peers``: CoStream against transformers and vLLM, side by side."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from costream.checkpoints import check_model, is_untrained
from costream.cli.bench import bench
from costream.cli.checks import check_source
from costream.cli.console import open_console
from costream.cli.options import (
    FpsOpt,
    JsonOpt,
    ModelOpt,
    PrunerOpt,
    RefreshOpt,
    StrideOpt,
    WindowOpt,
    parse_size,
)
from costream.engine.asks import checked_asks
from costream.engine.refresh import DEFAULT_REFRESH
from costream.errors import SettingsError, SourceError
from costream.printable import printable
from costream.pruning import DEFAULT_PRUNER
from costream.settings import EngineSettings
from costream.video.source import is_file

if TYPE_CHECKING:
    from costream.lab.evaluate.peers import Agreement, PeerReport


@bench.command()
def peers(
    source: Annotated[str, typer.Option("--source", help="A video file.")],
    ask: Annotated[str, typer.Option("--ask", help="The question.")] = "Is someone fighting?",
    model: ModelOpt = "costream/untrained-150m",
    fps: FpsOpt = 2.0,
    window: WindowOpt = 40.0,
    stride: StrideOpt = 8.0,
    pruner: PrunerOpt = DEFAULT_PRUNER,
    refresh: RefreshOpt = DEFAULT_REFRESH,
    frame_size: Annotated[
        str, typer.Option("--frame-size", help="WIDTHxHEIGHT that frames are resized to.")
    ] = "224x224",
    windows: Annotated[
        int | None,
        typer.Option(
            "--windows",
            min=2,
            help="Windows to compare, the first included, which is not reported (default: all).",
        ),
    ] = None,
    vllm_python: Annotated[
        Path | None,
        typer.Option(
            "--vllm-python",
            metavar="PATH",
            help="A Python interpreter that has vLLM, to compare with vLLM too.",
        ),
    ] = None,
    as_json: JsonOpt = False,
) -> None:
    """Compare with transformers and vLLM, window by window in turn, on the CPU.

    All sides use the same weights, frames and question in float32, and answer with the
    probabilities of the first token. Decoding is counted for all; the first window is left out.
    """
    settings = EngineSettings.checked(
        fps=fps,
        window=window,
        stride=stride,
        pruner=pruner,
        refresh=refresh,
        frame_size=parse_size(frame_size),
    )
    asks = checked_asks([ask])
    _check_file(source)
    check_model(model)
    _check_interpreter(vllm_python)
    from costream.cli.loading import load_engine
    from costream.lab.evaluate.peers import compare_peers

    engine = load_engine(model, settings, "cpu", "float32")
    report = compare_peers(engine, model, source, asks[0], windows=windows, vllm_python=vllm_python)
    if as_json:
        typer.echo(json.dumps({"model": model, **report.to_dict()}))
    else:
        _print(model, report)


def _check_file(source: str) -> None:
    """Checks that a source is a file: every side reads it from its beginning."""
    if source and not is_file(source):
        raise SourceError("peers are compared on a file, which is read twice: name one")
    check_source(source)


def _check_interpreter(python: Path | None) -> None:
    if python is not None and not (python.is_file() and os.access(python, os.X_OK)):
        raise SettingsError(
            f"--vllm-python takes a Python interpreter, such as venv/bin/python, not {python}"
        )


def _print(model: str, report: PeerReport) -> None:
    console, setup = open_console(), report.setup
    count = len(next(iter(report.sides.values())))
    table = Table(title=f"{count - 1} windows of {printable(Path(setup['source']).name)}")
    for heading in ("a window, mean", "seconds", "of them decoding", "times CoStream"):
        table.add_column(heading, justify="left" if heading.startswith("a ") else "right")
    ratios = report.ratios
    for side, seconds in report.seconds.items():
        decode = sum(turn.decode for turn in report.sides[side][1:]) / (count - 1)
        ratio = f"{ratios[side]['mean']:.2f}x" if side in ratios else ""
        table.add_row(side, f"{seconds:.3f}", f"{decode:.3f}", ratio)
    console.print(table)
    untrained = " (they mean nothing: the model is untrained)" if is_untrained(model) else ""
    agreement = "; ".join(_agreement(*pair) for pair in report.agreement.items())
    console.print(f"Log odds of yes{untrained}: {agreement}.")
    console.print(_compared(model, report))


def _agreement(pair: str, agreement: Agreement) -> str:
    names = " and ".join(pair.split("/"))
    if agreement.mean is None:
        return f"{names} can't be compared, for they are infinite"
    infinite = f", {agreement.infinite} infinite" if agreement.infinite else ""
    return (
        f"{names} differ by {agreement.mean:.2g} on average, {agreement.largest:.2g} at most, "
        f"{agreement.flips:.0%} flip{infinite}"
    )


def _compared(model: str, report: PeerReport) -> str:
    setup = report.setup
    width, height = setup["frame_size"]
    of_vllm = setup["peers"].get("vllm", {}).get("versions", {})
    versions = {**of_vllm, **setup["versions"]}
    named = ", ".join(f"{name} {versions[name]}" for name in report.sides if name in versions)
    return (
        f"Compared: {model}, {setup['parameters'] / 1e6:.0f}M parameters, {setup['dtype']} on "
        f"{setup['device']} ({setup['threads']} threads, {setup['cores']} cores), frames "
        f"{width}x{height}, window {setup['window_frames']} frames, stride "
        f"{setup['stride_frames']}, pruner {setup['pruner']}, refresh {setup['refresh']}; "
        f"{named}. The first window is left out."
    )
