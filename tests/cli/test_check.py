"""`costream check`: what is watched, or all that is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]

FILE = """
model: Qwen/Qwen3-VL-2B-Instruct
questions:
  fire: {ask: Is there fire?}
  gate: {ask: Is it open?, zone: gate, schedule: [{to: 12:00}]}
cameras:
  door: {url: "rtsp://u:hunter2@10.0.0.1/1", zones: {gate: [[0, 0], [1, 0], [1, 1]]}}
  hall: {url: "rtsp://10.0.0.2/1", enabled: false}
sinks: {home: {type: mqtt, host: broker}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cameras.yaml"
    path.write_text(FILE)
    return path


def test_a_right_file_is_told_with_what_is_watched(costream: Command, file: Path) -> None:
    result = costream("check", file)
    assert (result.status, result.err) == (0, "")
    first, _, door, hall = result.out.splitlines()
    assert first == "ok: 2 cameras, 2 questions, 1 sink"
    assert (
        " ".join(door.split())
        == "door rtsp://u:***@10.0.0.1/1 fire, gate (gate) always; by schedule: gate"
    )
    assert " ".join(hall.split()) == "hall rtsp://10.0.0.2/1 fire paused"


def test_all_that_is_wrong_is_told_a_line_each(costream: Command, file: Path) -> None:
    file.write_text(FILE.replace("fire:", "Fire:").replace("host:", "hots:"))
    result = costream("check", file)
    assert (result.status, result.out) == (1, "")
    lines = result.err.splitlines()
    assert [line.removeprefix(f"{file}:").split(":")[0] for line in lines] == ["4", "9", "9"]


def test_what_is_odd_is_told_and_allowed(costream: Command, file: Path) -> None:
    file.write_text("cameras: {door: {url: 'synthetic:fire'}}")
    result = costream("check", file)
    assert result.status == 0
    assert result.err.strip().endswith("nothing of it will be told (a warning)")


def test_the_embedded_model_is_not_taken_for_one_of_real_cameras(
    costream: Command, file: Path
) -> None:
    file.write_text("questions: {fire: {ask: Is there a fire?}}\ncameras: {door: {url: push}}")
    result = costream("check", file)
    assert result.status == 0
    assert "model: costream/tiny knows nine questions" in result.err
    assert "what it says of door means nothing" in result.err
    file.write_text(file.read_text().replace("push", "'synthetic:fire'"))
    assert costream("check", file).err == ""


def test_programs_are_told_in_json(costream: Command, file: Path) -> None:
    found = json.loads(costream("check", file, "--json").out)
    assert found["ok"] and found["problems"] == found["warnings"] == []
    assert found["cameras"][0] == {
        "id": "door",
        "source": "rtsp://u:***@10.0.0.1/1",
        "paused": False,
        "questions": ["fire", "gate"],
    }
    file.write_text("cameras: {door: {}}")
    result = costream("check", file, "--json")
    assert result.status == 1
    problem = {"line": 1, "field": "cameras.door.url", "message": "it is missing"}
    assert json.loads(result.out)["problems"] == [problem]


def test_the_schema_is_printed(costream: Command) -> None:
    result = costream("check", "--schema")
    assert result.out == (ROOT / "docs" / "cameras.schema.json").read_text()


def test_without_a_file_it_says_what_to_do(costream: Command) -> None:
    result = costream("check")
    assert result.status == 1
    assert "name the file to check" in result.err


def test_names_that_a_terminal_would_act_on_are_escaped(costream: Command, file: Path) -> None:
    file.write_text('cameras: {"a\\e[31m": {url: push}}')
    result = costream("check", file)
    assert "\x1b" not in result.err and r"\x1b" in result.err


def test_torch_is_not_loaded(file: Path) -> None:
    code = (
        "import sys; from costream.cli import run_command; "
        f"sys.argv = ['costream', 'check', {str(file)!r}]; "
        "status = run_command(); "
        "sys.exit(status or 'torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
