"""``costream edge``: the command that sends a camera to the service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from costream.cli.app import SUPERSEDED
from tests.edge.rig import PATIENCE, TOKEN, EdgeBackend, Reader, server, until
from tests.serve import fake_pictures
from tests.serve.api.conftest import served

MAIN = "from costream.cli import main; main()"
TORCH = "import sys; assert not {'torch', 'PIL', 'pydantic'} & sys.modules.keys()"


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[EdgeBackend]:
    clip = fake_pictures.write_clip(tmp_path / "clip.mp4", seconds=1)
    backend = EdgeBackend(tmp_path, clip)
    yield backend
    backend.port.close()


@pytest.fixture
def url(backend: EdgeBackend) -> Iterator[str]:
    with served(backend, server()) as address:
        yield f"{address}/api/cameras/door/push"


def edge(*arguments: object, token: str = TOKEN) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, "edge", *map(str, arguments)]
    environment = {**os.environ, "COSTREAM_TOKEN": token}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_file_is_sent_to_its_end_and_accounted_for(
    backend: EdgeBackend, url: str, camera: Path
) -> None:
    reader = Reader(backend.port)
    process = edge(camera, "--to", url, "--heartbeat", 0.2)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, f"costream: {camera} ended\n")
    until(lambda: len(reader.seen) >= 23)  # twelve seconds, two a second
    assert out.startswith("12 s: ") and "sampled pictures" in out
    reader.end()
    reader.join(PATIENCE)


def test_a_signal_ends_it(backend: EdgeBackend, url: str, camera: Path) -> None:
    # Nobody reads the camera, so that it waits, and may have been read to its end by then.
    with edge(camera, "--to", url, "--account-every", 0.2) as process:
        assert process.stdout is not None and "sampled pictures" in process.stdout.readline()
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and err in ("", f"costream: {camera} ended\n")
    assert time.monotonic() - begun < 10


def test_a_wrong_token_is_one_sentence(url: str, camera: Path) -> None:
    process = edge(camera, "--to", url, token="another-token-than-its")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert err.startswith("costream: 127.0.0.1") and "401" in err and len(err.splitlines()) == 1
    assert "another-token" not in err


def test_the_older_of_two_ends_with_a_status_of_its_own(
    backend: EdgeBackend, url: str, camera: Path
) -> None:
    # Nobody reads the camera: neither comes to an end by itself.
    with edge(camera, "--to", url, "--account-every", 0.2) as older:
        assert older.stdout is not None and "sampled pictures" in older.stdout.readline()
        with edge(camera, "--to", url, "--account-every", 0.2) as newer:
            _, err = older.communicate(timeout=PATIENCE)
            assert older.returncode == SUPERSEDED
            told = "costream: 127.0.0.1 answers 410: another edge sends camera door by now: "
            assert err.splitlines()[-1] == f"{told}end this one"
            assert newer.poll() is None
            newer.send_signal(signal.SIGTERM)


def test_it_needs_nothing_of_the_engine() -> None:
    code = f"from costream.cli.app import load_commands; load_commands(['edge']); {TORCH}"
    assert subprocess.run([sys.executable, "-c", code], timeout=PATIENCE).returncode == 0
