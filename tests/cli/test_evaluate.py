from __future__ import annotations

import json
from pathlib import Path

import pytest

from costream.lab.evaluate.cross_fit import CALIBRATIONS
from tests.cli.conftest import Command
from tests.lab.evaluate.conftest import annotated

__all__ = ["annotated"]

SMALL = ("--window", 6, "--stride", 2, "--frame-size", "128x96")
COLUMNS = {
    "policy",
    "default",
    "f1",
    "precision",
    "recall",
    "auc",
    "delay_s",
    "flips",
    "tokens_saved",
    "flops_saved",
    "windows_per_s",
}


def test_json_is_the_table(costream: Command, annotated: Path, checkpoint: Path) -> None:
    options = ("--model", checkpoint, "--policies", "evs,none", "--json", *SMALL)
    result = costream("evaluate", "--dataset", annotated, *options)
    assert result.status == 0
    rows = json.loads(result.out)
    assert [row["policy"] for row in rows] == ["full", "costream", "none", "evs"]
    assert [row["policy"] for row in rows if row["default"]] == ["costream"]
    assert all(set(row) >= COLUMNS for row in rows)
    assert "Torn1_x264.mp4 is left out" in result.err


def test_tables_and_plots_are_written(
    costream: Command, annotated: Path, checkpoint: Path, tmp_path: Path
) -> None:
    options = ("--model", checkpoint, "--policies", "full", "--videos", 2, "--out", tmp_path)
    more = ("--savings", "--frontier")
    result = costream("evaluate", "--dataset", annotated, *options, *more, *SMALL)
    assert result.status == 0
    assert "costream" in result.out and "Fighting" in result.out and "…" not in result.out
    report = json.loads((tmp_path / "accuracy.json").read_text())
    assert report["setup"]["videos"] == 2 and report["setup"]["settings"]["window"] == 6
    assert {row["calibration"] for row in report["calibrations"]} == set(CALIBRATIONS)
    assert [row["stride"] for row in report["savings"]] == [2, 2, 2, 2, 6, 6]
    budgets = [(point["policy"], point["value"]) for point in report["frontier"]]
    assert {("full", None), ("costream", None), ("costream", 0.05)} <= set(budgets)
    assert report["levels"] == [], "two videos are no thirds"
    assert [row["quarter"] for row in report["quarters"]] == [1, 2, 3, 4]
    tables = {"accuracy", "kinds", "calibration", "quarters", "savings", "frontier"}
    written = {path.name for path in tmp_path.iterdir()}
    assert {f"{name}.md" for name in tables} <= written
    plots = {"accuracy.png", "kinds.png", "frontier.png"}
    assert {"accuracy.csv", "frontier.csv", *plots} <= written
    again = costream("evaluate", "--dataset", annotated, *options, *SMALL)
    assert again.status == 0


def test_what_is_decoded_is_chosen_and_told(
    costream: Command, annotated: Path, checkpoint: Path
) -> None:
    options = ("--model", checkpoint, "--policies", "costream", "--decode", "auto", *SMALL)
    result = costream("evaluate", "--dataset", annotated, *options, "--json")
    full, default = json.loads(result.out)
    assert (full["decoded"], full["decoding"].keys()) == (1, {"all"})
    assert "all" not in default["decoding"]
    assert sum(default["decoding"].values()) == full["decoding"]["all"]


def test_answers_are_paired_with_those_of_everything_decoded(
    costream: Command, annotated: Path, checkpoint: Path, tmp_path: Path
) -> None:
    options = ("--model", checkpoint, "--policies", "full,costream", "--decode", "auto,all")
    kept = (*options, "--out", tmp_path, *SMALL)
    result = costream("evaluate", "--dataset", annotated, *kept, "--json")
    assert result.status == 0
    (row,) = json.loads(result.out)
    assert (row["policy"], row["videos"]) == ("costream", 2)
    assert 0 <= row["flips"] <= 1 and row["answers"] == 2 * 4 * 9
    report = json.loads((tmp_path / "decoding.json").read_text())
    assert (report["rows"], report["setup"]["decode"]) == ([row], "all,auto")
    assert {"decoding.md", "decoding.csv"} <= {path.name for path in tmp_path.iterdir()}
    told = costream("evaluate", "--dataset", annotated, *kept)
    assert f"{row['answers']} answers, flips {row['flips_low']:.2%} to" in told.out
    assert "decoded for: " in " ".join(told.out.split()) and "…" not in told.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--dataset", "."), "no annotated set"),
        (("--policies", "best"), "unknown policy 'best'"),
        (("--split", "train"), "only the splits test and long are generated"),
        (("--frame-size", "large"), "frame size 'large'"),
        (("--decode", "some"), "can't decode 'some': choose auto or all"),
        (("--decode", "auto,auto"), "--decode auto,auto names the same twice"),
        (("--decode", "all,auto", "--sensitivity"), "--sensitivity varies one evaluation"),
        (("--decode", "all,auto", "--frontier"), "--frontier varies one evaluation"),
    ],
)
def test_mistakes_are_one_sentence(
    costream: Command, checkpoint: Path, args: tuple[str, str], message: str
) -> None:
    result = costream("evaluate", "--model", checkpoint, *args)
    assert (result.status, result.out) == (1, "")
    assert message in result.err and result.err.count("\n") == 1
