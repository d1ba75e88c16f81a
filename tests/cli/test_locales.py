"""What can't be read or written in a locale ends in a sentence or is escaped, never in a trace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from costream.engine.asks import checked_asks
from costream.errors import SettingsError

PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
COMMAND = [sys.executable, "-c", "from costream.cli import main; main()"]


def run(args: list[str | bytes], **environment: str) -> tuple[int, bytes, bytes]:
    env = {**os.environ, **environment}
    done = subprocess.run([*COMMAND, *args], env=env, capture_output=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("ask", "environment"),
    [(b"Is it \xff?", {"LC_ALL": "C.UTF-8"}), ("Läuft es?".encode(), PLAIN_C)],
)
def test_a_question_that_the_locale_can_t_read_is_one_sentence(
    camera: Path, ask: bytes, environment: dict[str, str]
) -> None:
    status, out, err = run(["run", str(camera), "--ask", ask], **environment)
    assert (status, out) == (1, b"")
    assert b"is not valid Unicode: write it in the terminal's encoding" in err
    assert err.count(b"\n") == 1


def test_a_question_is_written_in_an_encoding_that_lacks_its_letters(
    camera: Path, checkpoint: Path
) -> None:
    options = ["--model", str(checkpoint), "--window", "12", "--stride", "12"]
    options += ["--frame-size", "128x96"]
    status, out, err = run(
        ["run", str(camera), "--ask", "Läuft es? 好", *options], PYTHONIOENCODING="ascii"
    )
    assert (status, err) == (0, b"")
    assert rb"L\xe4uft es? \u597d" in out


@pytest.mark.parametrize("environment", [PLAIN_C, {"LC_ALL": "C.UTF-8"}])
def test_a_file_may_have_any_name(
    camera: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    odd = os.fsencode(tmp_path) + b"/\xc3\xa4\xff.mp4"
    shutil.copy(os.fsencode(camera), odd)
    status, out, err = run(["inspect", odd], **environment)
    assert (status, err) == (0, b"")
    assert b"320x180" in out


@pytest.mark.parametrize("ask", ["\udcff", "a \ud800 b"])
def test_the_library_refuses_what_is_no_unicode(ask: str) -> None:
    with pytest.raises(SettingsError, match=r"is not valid Unicode"):
        checked_asks(["Is it?", ask])


def test_questions_come_back_without_white_space_around_them() -> None:
    assert checked_asks([" Läuft es?\n", "好"]) == ["Läuft es?", "好"]
