"""Names that hold what rich, a terminal or Python would act on."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.video.encode import encode, still

NAMES = {
    "[red]x[/].mp4": "[red]x[/].mp4",
    "[/].mp4": "[/].mp4",
    ":smile:[b].mp4": ":smile:[b].mp4",
    "a\nb.mp4": r"a\nb.mp4",
    "\x1b[31mred\x1b[0m.mp4": r"\x1b[31mred\x1b[0m.mp4",
    os.fsdecode(b"\xff\xfe.mp4"): r"\xff\xfe.mp4",
    "x\u202egpj.mp4": r"x\u202egpj.mp4",
}


@pytest.fixture(params=list(NAMES))
def odd(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    camera: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A file of an odd name in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    name: str = request.param
    Path(name).parent.mkdir(exist_ok=True)
    shutil.copy(camera, name)
    return name


def test_inspect_shows_names_as_they_are(costream: Command, odd: str) -> None:
    result = costream("inspect", odd, "--limit", 2)
    assert result.status == 0, result.err
    assert NAMES[odd] in result.out
    assert "\x1b" not in result.out


def test_json_keeps_names(costream: Command, odd: str) -> None:
    assert json.loads(costream("inspect", odd, "--limit", 2, "--json").out)["source"] == odd


def test_bench_shows_names_as_they_are(costream: Command, odd: str) -> None:
    assert NAMES[odd].split("/")[-1] in costream("bench", "bitstream", odd).out


def test_errors_show_names_as_they_are(costream: Command, odd: str) -> None:
    result = costream("inspect", odd + "x")
    assert result.status == 1
    assert result.err == f"costream: can't open {NAMES[odd]}x: no such file or directory\n"


def test_run_shows_names_as_they_are(costream: Command, odd: str, checkpoint: Path) -> None:
    options = ("--window", 4, "--stride", 4, "--model", checkpoint)
    result = costream("run", odd, "--ask", "[/] :smile:?", *options)
    assert result.status == 0, result.err
    assert result.out.startswith(NAMES[odd])
    assert "[/] :smile:?" in result.out


def test_warnings_are_one_line(costream: Command, tmp_path: Path) -> None:
    path = tmp_path / "a\n[b].mjpeg"
    encode(path, still(5), "mjpeg", container="mjpeg", pixels="yuvj420p")
    result = costream("inspect", path)
    shown = str(path).replace("\n", r"\n")
    assert result.err == f"costream: {shown} states no rate: 25 pictures a second are assumed\n"


def test_pictures_and_films_bear_any_name(costream: Command, camera: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff\n[/x].mp4")
    path.parent.mkdir()
    shutil.copy(camera, path)
    folder = tmp_path / "[red]\n"
    result = costream("inspect", path, "--limit", 2, "--out", folder)
    assert (folder / "inspect.png").exists() and (folder / "inspect.mp4").exists()
    assert r"[red]\n/inspect.png" in result.out
