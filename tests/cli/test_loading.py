"""What commands load."""

from __future__ import annotations

from pathlib import Path

from costream.cli.loading import load_engine
from costream.settings import EngineSettings


def test_workers_share_the_memory_that_is_said(checkpoint: Path) -> None:
    alone = load_engine(str(checkpoint), EngineSettings(), "cpu", kv_memory=1 << 20)
    one = load_engine(str(checkpoint), EngineSettings(), "cpu", kv_memory=1 << 20, engines=4)
    row = alone.runner.pool.row.bytes
    assert alone.runner.pool.limit == (1 << 20) // row
    assert one.runner.pool.limit == (1 << 18) // row


def test_without_a_word_a_pool_on_a_cpu_has_no_bound(checkpoint: Path) -> None:
    assert load_engine(str(checkpoint), EngineSettings(), "cpu", None).runner.pool.limit is None
