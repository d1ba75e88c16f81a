"""``costream bench peers`` with a stand-in for vLLM: the real one is in no test's environment."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from statistics import fmean, median

import pytest

from costream.models import write_untrained
from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]
SIZES = ("--frame-size", "128x96", "--window", 4, "--stride", 2)

SPEAKS = """\
import json, sys
for line in sys.stdin:
    print(json.dumps({answer}), flush=True)
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> str:
    """An interpreter that has a vLLM: this one, and the folder of the stand-in."""
    path = [str(Path(__file__).parent / "fake_vllm"), str(ROOT)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    return sys.executable


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def interpreter(path: Path, program: str) -> Path:
    """Writes what can be run in an interpreter's place; it loads nothing that it finds there."""
    path.write_text(f"#!{sys.executable} -S\n{program}")
    path.chmod(0o755)
    return path


def test_all_sides_give_the_same_answers_where_nothing_is_saved(
    costream: Command, camera: Path, checkpoint: Path, stand_in: str
) -> None:
    options = ("--source", camera, "--model", checkpoint, *SIZES, "--vllm-python", stand_in)
    result = costream("bench", "peers", *options, "--pruner", "none", "--refresh", "full", "--json")
    assert result.status == 0, result.err
    report = json.loads(result.out)
    assert (report["windows"], report["window_frames"], report["stride_frames"]) == (5, 8, 4)
    assert set(report["sides"]) == {"transformers", "vllm", "costream"}
    assert len(report["agreement"]) == 3
    assert all(pair["largest"] < 1e-4 for pair in report["agreement"].values())
    odds = [turn["log_odds"] for turn in report["sides"]["vllm"]]
    assert max(odds) - min(odds) > 1e-3
    vllm = report["peers"]["vllm"]
    assert vllm["versions"]["vllm"] == "0.fake"
    assert vllm["threads"] == ",".join(map(str, sorted(os.sched_getaffinity(0))))


def test_the_first_window_is_left_out_of_the_means(
    costream: Command, camera: Path, checkpoint: Path
) -> None:
    options = ("--source", camera, "--model", checkpoint, *SIZES, "--windows", 4)
    report = json.loads(costream("bench", "peers", *options, "--json").out)
    stock, ours = report["sides"]["transformers"], report["sides"]["costream"]
    assert len(stock) == len(ours) == report["windows"] == 4
    of_stock, of_ours = ([t["decode"] + t["model"] for t in side[1:]] for side in (stock, ours))
    assert report["seconds"] == pytest.approx(
        {"transformers": fmean(of_stock), "costream": fmean(of_ours)}
    )
    assert report["ratio"]["transformers"] == pytest.approx(
        {
            "mean": fmean(of_stock) / fmean(of_ours),
            "median_window": median(a / b for a, b in zip(of_stock, of_ours, strict=True)),
        }
    )
    assert all(turn["decode"] > 0 < turn["model"] for turn in (*stock, *ours))


def test_the_table_names_every_side(costream: Command, camera: Path, checkpoint: Path) -> None:
    options = ("--source", camera, "--model", checkpoint, *SIZES, "--windows", 2)
    shown = " ".join(costream("bench", "peers", *options).out.split())
    assert "1 windows of camera.mp4" in shown
    assert "transformers and costream differ by" in shown
    assert "window 8 frames, stride 4" in shown


FAILURES = {
    "import sys; sys.exit('no room left')": "vLLM stopped: no room left",
    SPEAKS.format(answer={"error": "ImportError: none"}): "vLLM stopped: ImportError: none",
    SPEAKS.format(
        answer={"seconds": 1, "yes": 0, "no": 0, "ids": [1]}
    ): "vLLM lays the window out in other tokens",
}


@pytest.mark.parametrize("program", FAILURES)
def test_a_vllm_that_fails_is_told_of_in_one_sentence(
    costream: Command,
    camera: Path,
    checkpoint: Path,
    tmp_path: Path,
    program: str,
) -> None:
    """Its messages stay where it stopped, and nothing else does."""
    python = interpreter(tmp_path / "python", program)
    options = ("--source", camera, "--model", checkpoint, *SIZES, "--vllm-python", python)
    result = costream("bench", "peers", *options)
    assert result.status == 1
    told = result.err.splitlines()[-1]
    assert FAILURES[program] in told
    logs = list(tmp_path.glob("costream-vllm-*"))
    assert [str(log) for log in logs] == ([told.split()[-1]] if "stopped" in told else [])


def test_what_vllm_started_ends_with_it(
    costream: Command, camera: Path, checkpoint: Path, tmp_path: Path
) -> None:
    noted = tmp_path / "pid"
    program = (
        "import subprocess as s, pathlib\n"
        "child = s.Popen(['sleep', '600'], stdout=s.DEVNULL, stderr=s.DEVNULL)\n"
        f"pathlib.Path({str(noted)!r}).write_text(str(child.pid))\n"
    )
    python = interpreter(tmp_path / "python", program)
    options = ("--source", camera, "--model", checkpoint, *SIZES, "--vllm-python", python)
    assert costream("bench", "peers", *options).status == 1
    status = Path(f"/proc/{noted.read_text()}/stat")
    # Its parent is gone: whoever inherits it may not have taken notice yet.
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_vllm_is_compared_on_qwen3_vl_alone(
    costream: Command, camera: Path, tmp_path: Path
) -> None:
    model = write_untrained(tmp_path / "model", "qwen2.5-test")
    options = ("--source", camera, "--model", model, "--frame-size", "112x112")
    result = costream("bench", "peers", *options, "--vllm-python", sys.executable)
    assert "vLLM is compared on Qwen3-VL alone, not on 'qwen2_5_vl'" in result.err


def test_one_window_is_too_short(costream: Command, camera: Path, checkpoint: Path) -> None:
    options = ("--source", camera, "--model", checkpoint, "--frame-size", "128x96")
    result = costream("bench", "peers", *options, "--window", 12, "--stride", 12)
    assert result.status == 1
    assert "is too short: it holds 1 of the two windows" in result.err
