"""Configuration files, written and read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from costream.serve.config.load import Reading, read_config
from costream.serve.config.model import ServiceConfig


def read(tmp_path: Path, text: str, environment: Mapping[str, str] | None = None) -> Reading:
    """Writes a file and reads it."""
    file = tmp_path / "cameras.yaml"
    file.write_text(dedent(text), encoding="utf-8")
    return read_config(file, environment or {})


def config(
    tmp_path: Path, text: str, environment: Mapping[str, str] | None = None
) -> ServiceConfig:
    """Returns what a right file says."""
    reading = read(tmp_path, text, environment)
    assert reading.config is not None, reading.problems
    return reading.config


def told(reading: Reading) -> list[str]:
    """Returns the lines that are said of a file's problems."""
    return [problem.text("cameras.yaml") for problem in reading.problems]
