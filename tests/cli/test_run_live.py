"""A run on a camera that is absent, freezes, dies, comes back, and dies for good."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.video.cameras import RtspCamera, need_gstreamer

MAIN = "from costream.cli import main; main()"

LIMIT = 30.0
"""Seconds that a step may take."""


class Run:
    """``costream run --json`` in a process of its own, and the lines that it prints."""

    def __init__(self, url: str, checkpoint: Path, *options: str) -> None:
        command = [sys.executable, "-c", MAIN, "run", url, "--ask", "Is it?", "--json"]
        command += ["--model", str(checkpoint), "--frame-size", "128x96"]
        command += ["--window", "2", "--stride", "1", "--timeout", "1", *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[dict] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def wait_for(self, what: str, after: int) -> int:
        """Waits for a line that is a gap of a kind, or a window, and returns the next's number."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            for number, line in enumerate(self.lines[after:], after):
                if line.get("gap", "window") == what:
                    return number + 1
            time.sleep(0.05)
        raise AssertionError(f"no {what} within {LIMIT} s: {self.lines[after:]}")

    def finish(self) -> tuple[int, str]:
        err = self.process.stderr.read()
        self._thread.join()
        return self.process.wait(LIMIT), err


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    need_gstreamer()
    camera = RtspCamera()
    yield camera
    camera.thaw()
    camera.kill()


@pytest.mark.timeout(180)
def test_a_run_outlives_its_camera(camera: RtspCamera, checkpoint: Path) -> None:
    camera.kill()
    run = Run(camera.url, checkpoint, "--reconnect", "12")
    time.sleep(3)
    camera.start()
    at = run.wait_for("window", 0)
    camera.freeze()
    at = run.wait_for("lost", at)
    camera.thaw()
    at = run.wait_for("back", at)
    at = run.wait_for("window", at)
    camera.kill()
    at = run.wait_for("lost", at)
    camera.start()
    at = run.wait_for("back", at)
    at = run.wait_for("window", at)
    begun = time.monotonic()
    camera.kill()
    status, err = run.finish()
    assert 10 < time.monotonic() - begun < 30
    assert status == 3
    *_, last = err.splitlines()
    assert last.startswith("costream: the camera was lost: no frame for 1")
    assert "Traceback" not in err
    assert err.count("connection refused; trying for 12 s") == 1
    assert [line["gap"] for line in run.lines if "gap" in line] == [
        "lost", "back", "lost", "back", "lost",
    ]  # fmt: skip
    assert "no data for 1 s" in next(line["cause"] for line in run.lines if "gap" in line)
    check_lines(run.lines)


def check_lines(lines: list[dict]) -> None:
    """Every line tells its time; windows move on, and none holds more than there was."""
    now = datetime.now(timezone.utc)
    walls = [datetime.fromisoformat(line["wall"]) for line in lines]
    assert all(0 <= (now - wall).total_seconds() < 300 for wall in walls)
    windows = [line for line in lines if "gap" not in line]
    assert all(0 <= window["lag"] < LIMIT for window in windows)
    assert all(window["frames"] >= 1 for window in windows)
    ends = [window["end"] for window in windows]
    assert ends == sorted(set(ends))
    for line in lines:
        if line.get("gap") == "back":
            assert line["end"] - line["start"] > 1
