from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from costream.cli import run_command
from costream.lab.synth import EncoderSettings, SyntheticCamera, encode


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    status: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def costream(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Runs the command line in this process, as the command does."""

    def run(*args: object) -> Result:
        monkeypatch.setattr("sys.argv", ["costream", *map(str, args)])
        try:
            status = run_command()
        except SystemExit as stop:  # before there is a standard output
            status = stop.code if isinstance(stop.code, int) else 0
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    yield run
    logging.getLogger("costream").handlers.clear()


@pytest.fixture(scope="session")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of the synthetic camera, H.264 with B-frames."""
    source = SyntheticCamera(2, width=320, height=180, fps=12, every=4)
    return encode(
        (source.frame(index) for index in range(144)),
        tmp_path_factory.mktemp("camera") / "camera.mp4",
        fps=12,
        settings=EncoderSettings(gop=24, bframes=2),
    )
