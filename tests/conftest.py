"""Checkpoints that several folders of tests share."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

from costream.models import ModelAdapter, load_model, write_untrained

# How long an example takes is the machine's to say, and it may be busy.
hypothesis.settings.register_profile("costream", deadline=None)
hypothesis.settings.load_profile("costream")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained(tmp_path_factory.mktemp("dense"), "test")


@pytest.fixture(scope="session")
def moe_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained(tmp_path_factory.mktemp("moe"), "test-moe")


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> ModelAdapter:
    return load_model(str(checkpoint), device="cpu")


@pytest.fixture(scope="session")
def moe_model(moe_checkpoint: Path) -> ModelAdapter:
    return load_model(str(moe_checkpoint), device="cpu")


@pytest.fixture(params=["model", "moe_model"])
def any_model(request: pytest.FixtureRequest) -> ModelAdapter:
    """Each kind of text model in turn."""
    adapter: ModelAdapter = request.getfixturevalue(request.param)
    return adapter
