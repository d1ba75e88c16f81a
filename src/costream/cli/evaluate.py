"""``costream evaluate``: what pruning and refresh cost in accuracy, beside other ways of saving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from costream.cli.app import app
from costream.cli.checks import check_dtype
from costream.cli.console import open_console
from costream.cli.options import (
    AnchorOpt,
    DeviceOpt,
    DtypeOpt,
    JsonOpt,
    ModelFpsOpt,
    ModelOpt,
    SizeOpt,
    StrideOpt,
    WindowOpt,
    parse_size,
    settings_for,
)
from costream.embedded import warn_of_embedded
from costream.errors import SettingsError
from costream.printable import printable

if TYPE_CHECKING:
    from costream.lab.evaluate.accuracy import AccuracyRow
    from costream.lab.evaluate.accuracy_report import AccuracyReport
    from costream.lab.evaluate.datasets import Dataset
    from costream.lab.evaluate.runner import OnVideo

SHOWN_PROBLEMS = 10

COLUMNS = (
    "policy", "F1", "AUC", "events\nfound", "delay\ns", "flips", "tokens\nsaved",
    "FLOPs\nsaved", "on the\nvideo", "windows\n/ s",
)  # fmt: skip

VIDEOS = 240
"""Videos of the synthetic test split where the user says nothing: twenty of each kind of event."""


@app.command()
def evaluate(
    dataset: Annotated[
        Path | None,
        typer.Option(
            "--dataset",
            help="Folder in the layout of UCF-Crime or XD-Violence (default: the synthetic test "
            "split, generated on first use).",
        ),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="test, validation or train.")] = "test",
    model: ModelOpt = "costream/tiny",
    policies: Annotated[
        str | None, typer.Option("--policies", help="Names, with commas between (default: all).")
    ] = None,
    videos: Annotated[
        int | None, typer.Option("--videos", min=1, help="Most videos, of each category in turn.")
    ] = None,
    fps: ModelFpsOpt = None,
    window: WindowOpt = None,
    stride: StrideOpt = None,
    anchor_every: AnchorOpt = None,
    frame_size: SizeOpt = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Score from which an answer is a yes.")
    ] = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Vary one setting at a time as well.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Directory for tables, plots (needs costream\\[plots]) and results; an "
            "interrupted evaluation goes on from there.",
        ),
    ] = None,
    device: DeviceOpt = None,
    dtype: DtypeOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Measure accuracy and savings of every policy on annotated videos.

    Each video is decoded once, and all policies answer the same questions on the same windows of
    it. What is not given is as the model recommends.
    """
    given = {
        "fps": fps,
        "window": window,
        "stride": stride,
        "anchor_every": anchor_every,
        "frame_size": parse_size(frame_size),
        "threshold": threshold,
    }
    settings = settings_for(model, given)
    check_dtype(dtype)
    from costream.cli.loading import load_engine
    from costream.lab.evaluate.policies import choose_policies

    chosen = choose_policies(policies.split(",") if policies else [])
    console = open_console(stderr=True)
    annotated = _load(dataset, split, videos, console)
    from costream.lab.evaluate.evaluation import Evaluation

    unknown = settings.uncalibrated(list(annotated.questions.values()))
    warn_of_embedded(model, annotated.name, unknown, synthetic=annotated.name == "synthetic")
    evaluation = Evaluation(
        load_engine(model, settings, device, dtype), model, annotated, out, _progress(console)
    )
    report = evaluation.run(chosen, sensitivity=sensitivity)
    _complain(console, report)
    if as_json:
        typer.echo(json.dumps([row.to_dict() for row in report.rows]))
    else:
        _print(report)
    if out is not None:
        for path in evaluation.write(report, out):
            console.print(printable(f"written: {path}"), soft_wrap=True)


def _load(dataset: Path | None, split: str, videos: int | None, console: Console) -> Dataset:
    from costream.lab.evaluate.datasets import load_dataset, synthetic_test_split

    if dataset is not None:
        annotated = load_dataset(dataset, split)
        return annotated if videos is None else annotated.take(videos)
    if split != "test":
        raise SettingsError("only the test split is generated: name another with --dataset")
    count = videos or VIDEOS
    console.print(f"the synthetic test split: {count} videos, generated on first use", style="dim")
    return load_dataset(synthetic_test_split(count))


def _progress(console: Console) -> OnVideo:
    def show(what: str, done: int, of: int) -> None:
        console.print(printable(f"{done} of {of} videos: {what}"), style="dim")

    return show


def _complain(console: Console, report: AccuracyReport) -> None:
    for problem in report.problems[:SHOWN_PROBLEMS]:
        console.print(printable(f"costream: {problem}"), style="yellow", soft_wrap=True)
    if (more := len(report.problems) - SHOWN_PROBLEMS) > 0:
        console.print(f"costream: and {more} more problems, all in accuracy.json", style="yellow")


def _print(report: AccuracyReport) -> None:
    setup = report.setup
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in COLUMNS:
        left = heading == "policy"
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for row in report.rows:
        table.add_row(*_cells(row), style="bold" if row.default else "")
    kinds = Table(box=None, pad_edge=False)
    kinds.add_column("F1 of")
    chosen = [row for row in report.rows if row.policy == "full" or row.default]
    for row in chosen:
        kinds.add_column(row.policy, justify="right")
    for kind in chosen[0].kinds:
        kinds.add_row(kind, *(f"{row.kinds[kind]:.3f}" for row in chosen))
    console = open_console()
    console.print(table, kinds)
    console.print(
        f"{setup['model']} on {setup['videos']} videos of {setup['dataset']}, "
        f"{len(setup['questions'])} questions a window. Savings are against encoding and "
        "prefilling every window from nothing; on the video: without the questions' own tokens. "
        "Bold: the default.",
        style="dim",
    )


def _cells(row: AccuracyRow) -> tuple[str, ...]:
    return (
        row.policy,
        f"{row.f1:.3f}",
        "-" if row.auc is None else f"{row.auc:.3f}",
        f"{row.event_recall:.0%}",
        "-" if row.delay_s is None else f"{row.delay_s:.1f}",
        f"{row.flips:.1%}",
        f"{row.tokens_saved:.0%}",
        f"{row.flops_saved:.0%}",
        f"{row.video_flops_saved:.0%}",
        f"{row.windows_per_s:.1f}",
    )
