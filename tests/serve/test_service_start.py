"""What becomes of a service that can't begin to watch."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from costream.engine.engine import Engine
from costream.serve.config.model import ServiceConfig
from costream.serve.service import Service
from costream.settings import EngineSettings
from tests.serve.waiting import until


def test_what_keeps_it_from_watching_is_told_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> str:
        raise OSError(28, "No space left on device")

    failures: list[Exception] = []
    config = ServiceConfig(data=str(tmp_path))
    # Nothing of the engine is used before the fleet has its folder.
    engine = object.__new__(Engine)
    engine.settings = EngineSettings()
    service = Service(config, engine.settings, lambda: engine, on_failure=failures.append)
    monkeypatch.setattr(tempfile, "mkdtemp", full)
    service.start()
    try:
        until(lambda: failures)
        assert "No space" in str(failures[0])
    finally:
        service.stop()
