from __future__ import annotations

import io
import json
import logging
import sys
from pathlib import Path

import pytest

import costream as package
from tests.cli.conftest import Command
from tests.video.encode import encode, panning


def test_version(costream: Command) -> None:
    assert costream("--version").out.strip() == package.__version__


@pytest.mark.parametrize("command", ["run", "inspect", "demo", "synth", "bench", "plan"])
def test_every_command_has_help(costream: Command, command: str) -> None:
    result = costream(command, "--help")
    assert result.status == 0
    assert "Usage:" in result.out and "--help" in result.out


def test_inspect_writes_json_and_a_picture(costream: Command, camera: Path, tmp_path: Path) -> None:
    result = costream("inspect", camera, "--json", "--out", tmp_path / "new")
    found = json.loads(result.out)
    assert (found["codec"], found["width"], found["height"]) == ("h264", 320, 180)
    assert found["gop"]["pattern"].startswith("I every 24")
    assert found["frame_types"]["B"] > 0
    assert found["kept"]["none"] == 1.0
    assert (tmp_path / "new" / "inspect.png").stat().st_size > 1000


def test_inspect_prints_a_table(costream: Command, camera: Path) -> None:
    out = costream("inspect", camera).out
    assert "kept by last-kept" in out
    assert "(default)" in out


def test_inspect_shows_the_measured_rate_and_a_stated_one_that_differs(
    costream: Command, tmp_path: Path
) -> None:
    lapse = encode(tmp_path / "lapse.mkv", panning(8), times=[30.0 * n for n in range(8)])
    found = json.loads(costream("inspect", lapse, "--json").out)
    assert (found["frame_rate"], found["stated_rate"]) == (pytest.approx(1 / 30), 25)
    assert "0.03333 a second (25 stated)" in " ".join(costream("inspect", lapse).out.split())

    steady = encode(tmp_path / "steady.mp4", panning(25))
    out = costream("inspect", steady).out
    assert "25 a second" in out and "stated" not in out

    raw = encode(tmp_path / "raw.mjpeg", panning(5), "mjpeg", container="mjpeg", pixels="yuvj420p")
    assert "25 a second, not stated" in " ".join(costream("inspect", raw).out.split())


def test_demo_watches_the_synthetic_camera(costream: Command, checkpoint: Path) -> None:
    options = ("--seconds", 20, "--fast", "--model", checkpoint, "--json")
    lines = [json.loads(line) for line in costream("demo", *options).out.splitlines()]
    assert [v["end"] for v in lines] == [16, 20]
    assert {v["motion"] for v in lines} == {"bitstream"}


def test_synth_writes_what_was_asked_for(costream: Command, tmp_path: Path) -> None:
    clip = tmp_path / "camera.mkv"
    options = ("--seconds", 2, "--size", "160x96", "--rate", 10, "--codec", "libx265", "--gop", 5)
    assert costream("synth", clip, *options).status == 0
    found = json.loads(costream("inspect", clip, "--json").out)
    assert (found["codec"], found["width"], found["height"]) == ("hevc", 160, 96)
    assert found["frames"] == 20
    assert found["gop"]["median"] == 5


def test_synth_writes_a_data_set(costream: Command, tmp_path: Path) -> None:
    folder = tmp_path / "world"
    options = ("--split", "train", "--videos", 1, "--seed", 5, "--size", "96x64")
    printed = costream("synth", "--dataset", folder, *options).out.split()
    listed = (folder / "Anomaly_Train.txt").read_text().split()
    assert printed == [str(folder / name) for name in listed]
    found = json.loads(costream("inspect", printed[0], "--json").out)
    assert (found["width"], found["height"]) == (96, 64)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("synth",), "either a file or --dataset FOLDER"),
        (("synth", "{tmp}/x.mp4", "--dataset", "{tmp}"), "either a file or --dataset FOLDER"),
        (("synth", "--dataset", "{tmp}", "--split", "tset"), "unknown split 'tset'"),
        (("synth", "/nowhere/at/all.mp4"), "can't write /nowhere/at/all.mp4: no such file"),
        (("synth", "{tmp}/x.nothing"), "end its name in .mp4"),
        (("synth", "{tmp}/x.mp4", "--codec", "nope"), "use libx264 or libx265"),
        (("synth", "{tmp}/x.mp4", "--size", "9by9"), "WIDTHxHEIGHT"),
        (("inspect", "nofile.mp4"), "no such file"),
        (("bench", "nofile.mp4", "--model", "costream/untrained-test"), "no such file"),
    ],
)
def test_errors_are_one_sentence(
    costream: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple, message: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = costream(*(str(arg).replace("{tmp}", str(tmp_path)) for arg in args))
    assert result.status == 1
    *warnings, error = result.err.splitlines()
    assert message in error
    assert all("not trained" in warning for warning in warnings)


def test_bench_compares_both_sides(costream: Command, camera: Path, checkpoint: Path) -> None:
    options = ("--model", checkpoint, "--frame-size", "128x96", "--window", 4, "--stride", 2)
    report = json.loads(costream("bench", camera, *options, "--json").out)
    assert report["windows"] == len(report["stock"]) == len(report["costream"]) == 5
    assert report["stride_frames"] == 4
    for stock, ours in zip(report["stock"], report["costream"], strict=True):
        assert ours["flops"] <= stock["flops"]
        assert ours["tokens"] <= stock["tokens"]
        assert stock["decode"] > 0 < ours["decode"]
    assert report["ratio"]["flops"] > 1.5
    table = " ".join(costream("bench", "speed", camera, *options, "--windows", 2).out.split())
    assert "2 windows" in table and "transformers" in table


@pytest.mark.parametrize(
    ("family", "size"),
    [("test", 224), ("qwen2.5-test", 224), ("internvl-test", 224), ("llava-test", 100)],
)
def test_bench_compares_every_family_at_the_size_next_to_224(
    costream: Command,
    camera: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    size: int,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    options = ("--window", 4, "--stride", 2, "--windows", 1, "--json")
    result = costream("bench", camera, "--model", f"costream/untrained-{family}", *options)
    assert json.loads(result.out)["frame_size"] == [size, size]


def test_bench_without_savings_agrees_with_the_stock_model(
    costream: Command, camera: Path, checkpoint: Path
) -> None:
    options = ("--model", checkpoint, "--frame-size", "128x96", "--window", 4, "--stride", 2)
    full = ("--pruner", "none", "--refresh", "full", "--json")
    report = json.loads(costream("bench", camera, *options, *full).out)
    assert report["agreement"]["score_difference"] < 1e-4
    assert report["ratio"]["tokens"] == 1


def test_warnings_go_to_standard_error_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live display puts itself in its place, so that warnings don't cross its panel."""
    from costream.cli.app import quiet_libraries

    logger = logging.getLogger("costream")
    quiet_libraries()
    replaced = io.StringIO()
    monkeypatch.setattr(sys, "stderr", replaced)
    try:
        logger.warning("[b]lost[/b]")
    finally:
        logger.handlers.clear()
    assert replaced.getvalue() == "costream: [b]lost[/b]\n"
