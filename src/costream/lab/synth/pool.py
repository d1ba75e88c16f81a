"""Processes that make videos."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from costream.engine.child import end_with_parent


def process_pool(processes: int) -> ProcessPoolExecutor:
    """Returns a pool of processes. They end with this one, even where it is killed."""
    spawn = get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=spawn, initializer=end_with_parent)
