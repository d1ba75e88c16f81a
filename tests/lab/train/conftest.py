"""What tests of whole runs share."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from costream.lab.train import clips, validation
from costream.lab.train import run as run_module


@pytest.fixture
def few_and_short_clips(monkeypatch):
    """Threads make them, which start at once; ``costream train`` is tested with processes."""
    monkeypatch.setattr(run_module, "VALIDATION", 1)
    monkeypatch.setattr(clips, "FRAMES", 8)
    for module in (clips, validation):
        monkeypatch.setattr(module, "process_pool", lambda workers: ThreadPoolExecutor(workers))
