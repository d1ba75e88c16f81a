"""Outputs that are closed or full end a command in a sentence, never in a trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = f'{sys.executable} -c "from costream.cli import main; main()"'
CLOSED = b"costream: standard output is closed: send it to a file or /dev/null\n"
FULL = b"costream: can't go on: no space left on device\n"


def shell(line: str) -> tuple[int, bytes, bytes]:
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("output", "message"), [(">&-", CLOSED), (">/dev/full", FULL)])
def test_an_output_that_takes_nothing_is_told(camera: Path, output: str, message: bytes) -> None:
    assert shell(f"{COMMAND} inspect {camera} --json {output}") == (1, b"", message)


def test_warnings_may_have_nowhere_to_go(camera: Path) -> None:
    """The status is all there is then."""
    assert shell(f"{COMMAND} run missing.mp4 --ask x 2>&-") == (1, b"", b"")
    assert shell(f"{COMMAND} --version 2>&-")[0] == 0
