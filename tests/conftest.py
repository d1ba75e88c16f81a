"""Checkpoints that several folders of tests share, and which files begin."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

from costream.models import ModelAdapter, load_model, write_untrained

# How long an example takes is the machine's to say, and it may be busy.
hypothesis.settings.register_profile("costream", deadline=None)
hypothesis.settings.load_profile("costream")

LONGEST = (
    "video/test_on_demand.py",
    "cli/test_shipped.py",
    "lab/train/test_run.py",
    "models/test_real_sizes.py",
    "lab/evaluate/test_signal.py",
    "serve/test_incidents.py",
    "serve/cluster/test_cluster.py",
    "test_gpu_script.py",
    "pruning/test_rules.py",
    "serve/cameras/test_rtsp_cameras.py",
    "serve/cameras/test_fleet.py",
    "serve/page/test_running.py",
    "cli/test_run.py",
    "serve/test_service.py",
    "edge/test_line.py",
    "serve/test_clock_set.py",
    "cli/test_train.py",
)
"""Files that take longest, the longest first: one that began last would end alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first, and leaves the others in their order."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


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
