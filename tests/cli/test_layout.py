"""Who reads and who runs the model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from costream.cli import layout
from costream.cli.layout import engines_for, pipes, reads_apart, threads_beside
from costream.engine.ingest_process import IngestProcess
from costream.errors import SettingsError
from tests.cli.conftest import Command
from tests.cli.test_run import SMALL, results
from tests.video.encode import encode, panning

MAIN = "from costream.cli import main; main()"


def with_cores(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(layout, "cores", lambda: count)


def test_one_source_is_read_apart_where_there_is_a_second_core_and_it_is_no_pipe(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for cores, apart in ((1, False), (2, True), (16, True)):
        with_cores(monkeypatch, cores)
        assert reads_apart("a.mp4") == reads_apart("rtsp://camera/1") == apart
        assert not reads_apart("-") and not reads_apart(str(fifo))
    assert pipes(["a.mp4", "-", str(fifo)]) == {1, 2}


@pytest.mark.parametrize(
    ("cores", "readers", "threads"), [(2, 1, 1), (8, 1, 4), (4, 1, 3), (4, 2, 2), (2, 5, 1)]
)
def test_torch_has_the_cores_that_are_left(
    monkeypatch: pytest.MonkeyPatch, cores: int, readers: int, threads: int
) -> None:
    with_cores(monkeypatch, cores)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with threads_beside(readers):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


def test_standard_input_among_several_is_read_beside_one_engine() -> None:
    assert engines_for(["a.mp4", "-"], "cpu", None) == 1
    assert engines_for(["a.mp4", "-"], "cpu", 1) == 1
    assert engines_for(["a.mp4", "b.mp4", "c.mp4"], "cpu", 2) == 2
    assert engines_for(["a.mp4", "b.mp4"], "cpu", 9) == 2
    with pytest.raises(SettingsError, match="can't be read by several workers"):
        engines_for(["a.mp4", "-"], "cpu", 2)


def test_both_layouts_say_the_same_and_show_the_same_frames(
    costream: Command, camera: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    of = IngestProcess.of
    monkeypatch.setattr(IngestProcess, "of", lambda source: started.append(source) or of(source))
    found = []
    for cores in (1, 2):
        with_cores(monkeypatch, cores)
        result = costream("run", camera, "--ask", "x", "--model", checkpoint, "--json", *SMALL)
        assert (result.status, result.err, len(started)) == (0, "", cores - 1)
        lines = results(result.out)
        for line in lines:
            assert line.pop("seconds")["decode"] > 0
            line["answers"][0].pop("score")
        found.append(lines)
    assert found[0] == found[1] and len(found[0]) == 5


def test_decoding_on_demand_is_done_apart_too(
    costream: Command, camera: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for cores in (1, 2):
        with_cores(monkeypatch, cores)
        options = ("--model", checkpoint, "--json", *SMALL)
        result = costream("run", camera, "--ask", "x", *options)
        assert (result.status, result.err) == (0, "")
        found.append([(v["index"], v["tokens"]) for v in results(result.out)])
    assert found[0] == found[1]


@pytest.mark.parametrize("cores", [1, 2])
def test_a_file_that_is_none_is_told_the_same_wherever_it_is_read(
    costream: Command,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
) -> None:
    with_cores(monkeypatch, cores)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    result = costream("run", broken, "--ask", "x", "--model", checkpoint)
    why = "it is not a video, or its header is damaged or cut off"
    assert (result.status, result.out) == (1, "")
    assert result.err == f"costream: can't open {broken}: {why}\n"


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("patience", [0, 0.5])
def test_a_camera_that_stays_away_is_told_the_same_wherever_it_is_read(
    costream: Command,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    patience: float,
) -> None:
    with_cores(monkeypatch, cores)
    monkeypatch.setenv("COSTREAM_CREDENTIALS", "user:hush")
    url = "rtsp://127.0.0.1:9/x"
    options = ("--model", checkpoint, "--reconnect", patience, "--json")
    result = costream("run", url, "--ask", "x", *options)
    assert (result.status, result.out) == (3, "")
    *warnings, error = result.err.splitlines()
    refused = f"can't open {url}: connection refused"
    assert warnings == ([f"costream: {refused}; trying for 0.5 s"] if patience else [])
    assert error.startswith("costream: the camera was lost: ") and error.endswith(refused)
    assert "hush" not in result.err


def children(parent: int) -> list[int]:
    path = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_ends_leaves_no_process_that_reads(
    checkpoint: Path, tmp_path: Path, how: signal.Signals
) -> None:
    fifo = tmp_path / "log"
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"from costream.cli import layout; layout.cores = lambda: 2; {MAIN}"
    )
    command = [sys.executable, "-c", program, "run", "udp://127.0.0.1:1", "--ask", "Is it?"]
    command += ["--model", str(checkpoint), "--timeout", "60"]
    with fifo.open("w") as errors, subprocess.Popen(command, stderr=errors) as process:
        deadline = time.monotonic() + 60
        while not (found := children(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        process.send_signal(how)
        assert process.wait(30) == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert found
    for _ in range(200):
        if not any(Path(f"/proc/{child}/cmdline").exists() and not gone(child) for child in found):
            break
        time.sleep(0.05)
    else:
        raise AssertionError("a process that reads outlived its command")
    assert fifo.read_text() == ""


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_process_that_dies_is_told_of_in_a_sentence(
    costream: Command, camera: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cores(monkeypatch, 2)
    of = IngestProcess.of

    def dying(source: object) -> IngestProcess:
        stream = of(source)  # type: ignore[arg-type]
        os.kill(stream._child.pid, signal.SIGKILL)  # type: ignore[arg-type]
        return stream

    monkeypatch.setattr(IngestProcess, "of", dying)
    result = costream("run", camera, "--ask", "x", "--model", checkpoint, "--json")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("costream: a process that reads a camera ended with status -9")


def test_standard_input_is_watched_among_several(
    camera: Path, checkpoint: Path, tmp_path: Path
) -> None:
    clip = encode(tmp_path / "pan.ts", panning(60), rate=5)
    command = [sys.executable, "-c", MAIN, "run", "-", str(camera), "--ask", "Is it?", "--json"]
    command += ["--model", str(checkpoint), *map(str, SMALL)]
    with clip.open("rb") as pipe:
        done = subprocess.run(command, stdin=pipe, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line)["stream"] for line in done.stdout.splitlines()]
    assert sorted(found) == sorted([str(camera)] * 5 + ["standard input"] * 5)
