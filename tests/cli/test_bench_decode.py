"""``costream bench decode`` on a generated stream and on files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command


def test_a_file_is_measured_in_every_mode(costream: Command, camera: Path) -> None:
    result = costream("bench", "decode", "--source", camera, camera, "--rounds", 1, "--json")
    assert result.status == 0
    rows = json.loads(result.out)
    assert {row["source"] for row in rows} == {"camera.mp4"}
    assert rows[0]["mode"] == "all" and rows[1]["mode"] != "all"
    assert {"setting", "codec", "activity", "cost", "total", "decoded", "recall", "same"} <= set(
        rows[0]
    )


def test_the_table_fits_and_says_the_worst(
    costream: Command, camera: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("COLUMNS", "80")
    result = costream("bench", "decode", camera, "--rounds", 1, "--out", tmp_path / "plots")
    assert result.status == 0
    assert max(map(len, result.out.splitlines())) <= 80
    for said in (
        "camera.mp4",
        "least recall",
        "most lost",
        "dearest",
        "Streams in real time",
        "measured in",
    ):
        assert said in result.out
    assert "decode-loss.png" in result.err.replace("\n", "")


def test_names_are_printed_without_a_stream_being_made(costream: Command) -> None:
    result = costream("bench", "decode", "--names", "--only", "*, quiet, 720p")
    assert result.out.splitlines() == ["x264, quiet, 720p", "x265, quiet, 720p"]


def test_a_name_that_no_stream_has_is_one_sentence(costream: Command) -> None:
    result = costream("bench", "decode", "--only", "nothing")
    assert result.status == 1
    assert "--names" in result.err


def test_a_missing_file_is_one_sentence(costream: Command, tmp_path: Path) -> None:
    result = costream("bench", "decode", "--source", tmp_path / "none.mp4")
    assert result.status == 1
    assert "none.mp4" in result.err
