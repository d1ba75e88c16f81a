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
from tests.video.films import clip_film

MAIN = "from costream.cli import main; main()"

LIMIT = 60.0
"""Seconds that an end may take."""

PATIENCE = "8"


class Run:
    """``costream run --json`` in a process of its own, what it prints and what it says."""

    def __init__(self, url: str, checkpoint: Path, *options: str) -> None:
        command = [sys.executable, "-c", MAIN, "run", url, "--ask", "Is it?", "--json"]
        command += ["--model", str(checkpoint), "--frame-size", "128x96"]
        command += ["--window", "2", "--stride", "1", "--timeout", "1", *options]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
        self.lines: list[dict] = []
        self.err = ""
        self._threads = [threading.Thread(target=read) for read in (self._read, self._listen)]

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def _listen(self) -> None:
        for line in self.process.stderr:
            self.err += line

    def __enter__(self) -> Run:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with self.process:
            self.process.kill()
            for thread in self._threads:
                thread.join()

    def wait_for(self, what: str, after: int) -> int:
        """Waits for a line that is a gap of a kind, or a window, and returns the next's number."""
        found = None
        while found is None:
            kinds = enumerate(line.get("gap", "window") for line in self.lines)
            found = next((n for n, kind in kinds if n >= after and kind == what), None)
            self._wait(f"no {what} in {self.lines[after:]}")
        return found + 1

    def wait_for_word(self, word: str) -> None:
        """Waits for something on standard error."""
        while word not in self.err:
            self._wait(f"no {word!r} in {self.err!r}")

    def wait_for_end(self) -> int:
        """Returns the exit status."""
        status = self.process.wait(LIMIT)
        for thread in self._threads:
            thread.join()
        return status

    def _wait(self, otherwise: str) -> None:
        time.sleep(0.05)
        if self.process.poll() is not None:
            raise AssertionError(f"it ended: {otherwise}")


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[RtspCamera]:
    need_gstreamer()
    camera = RtspCamera(clip_film(tmp_path, "intel-car-park.mp4"))
    yield camera
    camera.thaw()
    camera.kill()


@pytest.mark.timeout(240)
def test_a_run_outlives_its_camera(camera: RtspCamera, checkpoint: Path) -> None:
    camera.kill()
    with Run(camera.url, checkpoint, "--reconnect", PATIENCE) as run:
        run.wait_for_word(f"connection refused; trying for {PATIENCE} s")
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
        run.wait_for("window", at)
        begun = time.monotonic()
        camera.kill()
        status = run.wait_for_end()
    assert time.monotonic() - begun > float(PATIENCE) - 3
    assert status == 3
    *_, last = run.err.splitlines()
    assert last.startswith("costream: the camera was lost: no frame for ")
    assert last.endswith("connection refused")
    assert "Traceback" not in run.err
    gaps = [line for line in run.lines if "gap" in line]
    assert [gap["gap"] for gap in gaps] == ["lost", "back", "lost", "back", "lost"]
    assert "no data for 1 s" in gaps[0]["cause"]
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
