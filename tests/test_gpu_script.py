"""scripts/gpu.py runs to its end: without a GPU, and past parts that fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripts.gpu import Report, Setup, run_part

ROOT = Path(__file__).parent.parent

forks = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def test_all_parts_pass_at_small_sizes_on_a_cpu(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "scripts" / "gpu.py"), str(tmp_path), "--device", "cpu"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert {part["status"] for part in summary.values()} == {"passed"}, ended.stdout
    assert ended.returncode == 0
    golden = json.loads((tmp_path / "golden.json").read_text())["notes"]
    assert golden["internvl-test float32 flex"]["value"]["from stock"] < 1e-5
    assert (tmp_path / "golden.log").read_text().count("\n") >= len(golden)


def breaks(setup: Setup, report: Report) -> None:
    report.note("first", 1)
    raise ValueError("boom")


def dies(setup: Setup, report: Report) -> None:
    report.note("first", 1)
    os._exit(7)


def hangs(setup: Setup, report: Report) -> None:
    report.note("first", 1)
    time.sleep(60)


def is_wrong(setup: Setup, report: Report) -> None:
    report.note("first", 1)
    report.check("second", False, 2)


@forks
@pytest.mark.parametrize(
    ("part", "status", "failures"),
    [
        (breaks, "failed", ["ValueError: boom"]),
        (dies, "died: 7", []),
        (hangs, "ended after 1 s", []),
        (is_wrong, "failed", ["second"]),
    ],
)
def test_what_a_part_noted_before_it_failed_is_kept(
    tmp_path: Path, part, status: str, failures: list[str]
) -> None:
    found = run_part("part", part, Setup("cpu", True, tmp_path), 1.0)
    assert found["status"] == status
    assert found["failures"] == failures
    assert found["notes"]["first"] == 1
    assert json.loads((tmp_path / "part.json").read_text()) == found
