"""``costream run`` of several sources: all get what each gets alone, in one process or several."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from costream.lab.synth import EncoderSettings, SyntheticCamera, encode
from tests.cli.conftest import Command
from tests.video import encode as small_clips

COMMAND = str(Path(sys.executable).parent / "costream")
ASK = "Is someone fighting?"


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("videos")
    paths = []
    for seed in (1, 2, 3):
        camera = SyntheticCamera(seed=seed, width=320, height=180, fps=10)
        frames = (camera.frame(n) for n in range(160))
        quick = EncoderSettings(preset="ultrafast")
        paths.append(encode(frames, folder / f"{seed}.mp4", fps=10, settings=quick))
    return paths


def run(*args: object, status: int = 0) -> tuple[str, str]:
    command = [COMMAND, "run", *map(str, args), "--ask", ASK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def windows(output: str) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for line in output.splitlines():
        values = json.loads(line)
        values.pop("seconds")
        found.setdefault(values["stream"], []).append(values)
    return found


def test_workers_and_one_process_and_each_alone_say_the_same(
    costream: Command, videos: list[Path]
) -> None:
    several = windows(run(*videos, "--json", "--workers", 2)[0])
    # In this process, which has torch already.
    one_process = costream("run", *videos, "--ask", ASK, "--json", "--workers", 1)
    by_itself = costream("run", videos[0], "--ask", ASK, "--json")
    assert one_process.status == by_itself.status == 0
    together, alone = windows(one_process.out), windows(by_itself.out)
    assert set(several) == set(together) == set(map(str, videos))
    assert alone.keys() == {str(videos[0])}
    for name, found in several.items():
        for other in (together[name], alone.get(name, found)):
            assert len(found) == len(other) == 4
            for one, two in zip(found, other, strict=True):
                scores = [w.pop("answers")[0]["score"] for w in (dict(one), dict(two))]
                assert scores[0] == pytest.approx(scores[1], abs=1e-4)
                assert {**one, "answers": 0} == {**two, "answers": 0}


def test_a_source_that_fails_ends_alone_and_the_status_says_so(
    videos: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(videos[0].read_bytes()[:400])
    whole = small_clips.encode(tmp_path / "whole.mkv", small_clips.panning(100), rate=5, gop=10)
    half = tmp_path / "half.mkv"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    output, errors = run(videos[1], broken, half, "--workers", 2, status=1)
    lines = output.splitlines()
    assert sum(line.startswith(str(videos[1])) for line in lines) == 4
    assert "3 sources  2 workers" in lines[0]
    assert "broken.mp4: it is not a video" in errors
    assert f"costream: {half} ends before its stated length: it may be cut off\n" in errors


def test_a_source_that_is_not_there_is_told_before_anything_is_loaded(
    costream: Command, videos: list[Path]
) -> None:
    missing = costream("run", videos[0], "missing.mp4", "--ask", ASK)
    assert missing.status == 1
    assert missing.err == "costream: can't open missing.mp4: no such file or directory\n"
    twice = costream("run", "-", "-", "--ask", ASK)
    assert twice.status == 1
    assert "standard input, -, can be watched only once" in twice.err


def test_a_worker_that_is_killed_is_told_of(videos: list[Path]) -> None:
    command = [COMMAND, "run", *map(str, videos), "--ask", ASK]
    with subprocess.Popen(
        [*command, "--workers", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        worker = _first_child(process.pid)
        os.kill(worker, signal.SIGKILL)
        _, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "a worker process ended with status -9" in errors


def _first_child(parent: int) -> int:
    """Returns a worker of a command, as soon as there is one."""
    for _ in range(400):
        for task in Path("/proc").glob("[0-9]*"):
            try:
                fields = (task / "stat").read_text().rpartition(")")[2].split()
                words = (task / "cmdline").read_text()
            except OSError:
                continue
            if int(fields[1]) == parent and "spawn_main" in words:
                return int(task.name)
        time.sleep(0.05)
    raise AssertionError("there is no worker")


def test_workers_end_with_a_command_that_is_killed(videos: list[Path]) -> None:
    command = [COMMAND, "run", *map(str, videos), "--ask", ASK, "--workers", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        worker = _first_child(process.pid)
        process.kill()
    for _ in range(200):
        if not Path(f"/proc/{worker}").exists() or _is_zombie(worker):
            return
        time.sleep(0.1)
    raise AssertionError("a worker outlived its command")


def _is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
