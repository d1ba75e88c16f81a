"""``costream evaluate``: what pruning and refresh cost in accuracy, beside other ways of saving."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from costream.cli.app import app
from costream.cli.checks import check_dtype
from costream.cli.console import open_console
from costream.cli.evaluation_display import print_paired, print_report
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
from costream.video import Decoding, checked_decoding

if TYPE_CHECKING:
    from costream.lab.evaluate.datasets import Dataset
    from costream.lab.evaluate.evaluation import Evaluation
    from costream.lab.evaluate.policies import Policy
    from costream.lab.evaluate.runner import OnVideo

SHOWN_PROBLEMS = 10

VIDEOS = {"test": 240, "long": 9}
"""Videos of the synthetic splits that are generated, where the user says nothing: twenty of each
kind of event, and four."""


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
    split: Annotated[
        str,
        typer.Option(
            "--split",
            help="test, validation or train, or long: the synthetic set's videos of ten minutes.",
        ),
    ] = "test",
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
    decode: Annotated[
        str,
        typer.Option(
            "--decode",
            help="Which pictures are decoded for all but full recomputation: all; auto, of H.264 "
            "and H.265 those that something changed in; or all,auto: how answers with the one "
            "differ from those with the other, without full recomputation.",
        ),
    ] = "all",
    savings: Annotated[
        bool,
        typer.Option(
            "--savings",
            help="Tell as well what the windows' overlap saves, what pruning adds, and what is "
            "left where windows don't overlap.",
        ),
    ] = False,
    frontier: Annotated[
        bool,
        typer.Option("--frontier", help="Vary the budget of every policy as well, and plot it."),
    ] = False,
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

    Each video is read once for all policies of one --decode, which answer the same questions on
    the same windows of it. What is not given is as the model recommends.
    """
    more = {"savings": savings, "frontier": frontier, "sensitivity": sensitivity}
    decodings = _decodings(decode, [name for name, wanted in more.items() if wanted])
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
    if len(decodings) > 1:
        files = _pair(evaluation, chosen, console, out, as_json)
    else:
        report = evaluation.run(chosen, decode=decodings[0], **more)
        _complain(console, report.problems)
        if as_json:
            typer.echo(json.dumps([row.to_dict() for row in report.rows]))
        else:
            print_report(report)
        files = [] if out is None else evaluation.write(report, out)
    for path in files:
        console.print(printable(f"written: {path}"), soft_wrap=True)


def _decodings(named: str, more: Sequence[str]) -> list[Decoding]:
    """Returns what is to be decoded: one of two, or both.

    Raises:
        SettingsError: there is no such thing, it is named twice, or both are to be varied.
    """
    found = [checked_decoding(name) for name in named.split(",")]
    if len(set(found)) < len(found):
        raise SettingsError(f"--decode {named} names the same twice: choose all, auto or all,auto")
    if len(found) > 1 and more:
        raise SettingsError(f"--{more[0]} varies one evaluation: choose --decode all or auto")
    return found


def _pair(
    evaluation: Evaluation,
    policies: Sequence[Policy],
    console: Console,
    out: Path | None,
    as_json: bool,
) -> list[Path]:
    """Measures and prints what decoding less changes; returns the files written."""
    report = evaluation.pair(policies)
    _complain(console, report.problems)
    if as_json:
        typer.echo(json.dumps(report.to_dict()["rows"]))
    else:
        print_paired(report)
    return [] if out is None else report.write(out)


def _load(dataset: Path | None, split: str, videos: int | None, console: Console) -> Dataset:
    from costream.lab.evaluate.datasets import (
        load_dataset,
        synthetic_long_split,
        synthetic_test_split,
    )

    if dataset is not None:
        annotated = load_dataset(dataset, split)
        return annotated if videos is None else annotated.take(videos)
    if split not in VIDEOS:
        raise SettingsError(
            "only the splits test and long are generated: name another with --dataset"
        )
    count = videos or VIDEOS[split]
    console.print(
        f"the synthetic {split} split: {count} videos, generated on first use", style="dim"
    )
    generated = synthetic_long_split if split == "long" else synthetic_test_split
    return load_dataset(generated(count), split)


def _progress(console: Console) -> OnVideo:
    def show(what: str, done: int, of: int) -> None:
        console.print(printable(f"{done} of {of} videos: {what}"), style="dim")

    return show


def _complain(console: Console, problems: Sequence[str]) -> None:
    for problem in problems[:SHOWN_PROBLEMS]:
        console.print(printable(f"costream: {problem}"), style="yellow", soft_wrap=True)
    if (more := len(problems) - SHOWN_PROBLEMS) > 0:
        console.print(f"costream: and {more} more problems, which --out keeps", style="yellow")
