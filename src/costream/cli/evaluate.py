"""``costream evaluate``: what pruning and refresh cost in accuracy, beside other ways of saving."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from costream.cli.app import app
from costream.cli.checks import check_dtype
from costream.cli.console import open_console
from costream.cli.figures import reasons
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
from costream.video import DecodeCount, Decoding, checked_decoding

if TYPE_CHECKING:
    from costream.lab.evaluate.accuracy import AccuracyRow
    from costream.lab.evaluate.accuracy_report import AccuracyReport
    from costream.lab.evaluate.datasets import Dataset
    from costream.lab.evaluate.evaluation import Evaluation
    from costream.lab.evaluate.paired import PairedReport
    from costream.lab.evaluate.policies import Policy
    from costream.lab.evaluate.runner import OnVideo

SHOWN_PROBLEMS = 10

COLUMNS = (
    "policy", "F1", "AUC", "events\nfound", "delay\ns", "flips", "tokens\nsaved",
    "FLOPs\nsaved", "on the\nvideo", "windows\n/ s", "de-\ncoded",
)  # fmt: skip

PAIRED_COLUMNS = (
    "policy", "answers", "flips", "of the\nyes", "F1\nall", "F1\nauto", "events\nall",
    "events\nauto", "kept\nall", "kept\nauto", "de-\ncoded",
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
    decode: Annotated[
        str,
        typer.Option(
            "--decode",
            help="Which pictures are decoded for all but full recomputation: all; auto, of H.264 "
            "and H.265 those that something changed in; or all,auto: how answers with the one "
            "differ from those with the other, without full recomputation.",
        ),
    ] = "all",
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
    decodings = _decodings(decode, sensitivity)
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
        report = evaluation.run(chosen, decode=decodings[0], sensitivity=sensitivity)
        _complain(console, report.problems)
        if as_json:
            typer.echo(json.dumps([row.to_dict() for row in report.rows]))
        else:
            _print(report)
        files = [] if out is None else evaluation.write(report, out)
    for path in files:
        console.print(printable(f"written: {path}"), soft_wrap=True)


def _decodings(named: str, sensitivity: bool) -> list[Decoding]:
    """Returns what is to be decoded: one of two, or both.

    Raises:
        SettingsError: there is no such thing, it is named twice, or both are to be varied.
    """
    found = [checked_decoding(name) for name in named.split(",")]
    if len(set(found)) < len(found):
        raise SettingsError(f"--decode {named} names the same twice: choose all, auto or all,auto")
    if len(found) > 1 and sensitivity:
        raise SettingsError("--sensitivity varies one evaluation: choose --decode all or auto")
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
        _print_paired(report)
    return [] if out is None else report.write(out)


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


def _complain(console: Console, problems: Sequence[str]) -> None:
    for problem in problems[:SHOWN_PROBLEMS]:
        console.print(printable(f"costream: {problem}"), style="yellow", soft_wrap=True)
    if (more := len(problems) - SHOWN_PROBLEMS) > 0:
        console.print(f"costream: and {more} more problems, which --out keeps", style="yellow")


def _print(report: AccuracyReport) -> None:
    setup = report.setup
    table = _table(COLUMNS)
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
        f"Bold: the default. --decode {setup['decode']}; full recomputation decodes all.",
        style="dim",
    )


def _print_paired(report: PairedReport) -> None:
    setup, table = report.setup, _table(PAIRED_COLUMNS)
    for row in report.rows:
        table.add_row(*row.cells(), style="bold" if row.default else "")
    console = open_console()
    console.print(table)
    for row in report.rows:
        why = reasons(DecodeCount(**row.decoding))
        console.print(f"{row.policy}: flips {row.interval} (95%); frames decoded for: {why}")
    console.print(
        f"{setup['model']} on {setup['videos']} videos of {setup['dataset']}, "
        f"{len(setup['questions'])} questions a window. Each policy with --decode auto beside "
        "itself with --decode all; flips are between the two, of the yes: of those that are a "
        "yes on either side. Bold: the default.",
        style="dim",
    )


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in headings:
        left = heading == "policy"
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    return table


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
        f"{row.decoded:.0%}",
    )
