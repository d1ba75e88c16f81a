"""Which process reads, which one runs the model, and which cores each of them has.

* One source is read by a process of its own while the engine's thread runs the model, where there
  is a second core. Torch gets the cores that are left, one at least.
* A pipe is read by this process: standard input is nobody else's, and what a FIFO holds is gone
  with whoever opened it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future
from concurrent.futures import wait as wait_for
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from costream.engine.ingest_process import IngestProcess
from costream.video import DeferredSource, StreamInfo
from costream.video.errand import Errand
from costream.video.source import is_pipe

if TYPE_CHECKING:
    from costream.engine.engine import Engine

Load = Callable[[], "Engine"]
"""Loads an engine."""


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def reads_apart(source: str) -> bool:
    """Whether a process of its own reads a source that is watched alone."""
    return cores() > 1 and not is_pipe(source)


@contextmanager
def threads_beside(readers: int) -> Iterator[None]:
    """Gives torch the cores that processes which read leave over, one at least.

    Args:
        readers: how many such processes there are.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, cores() - readers)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def watched_alone(
    source: DeferredSource, load: Load, on_open: Callable[[StreamInfo], None], *, apart: bool
) -> Iterator[tuple[Engine, DeferredSource | IngestProcess]]:
    """Opens one source and loads an engine for it; closes the source in the end.

    A process that reads starts, and opens the source, while the engine is loaded. What is wrong
    with either is told as soon as it is known.

    Args:
        source: the source, not opened yet.
        load: loads the engine, in a thread of its own where ``apart``.
        on_open: told of the source once it is open.
        apart: another process reads.

    Raises:
        CoStreamError: the source can't be opened, or the engine can't be loaded.
    """
    if not apart:
        with closing(source):
            on_open(source.info)
            yield load(), source
        return
    with closing(IngestProcess.of(source)) as stream:
        opening, loading = Errand(lambda: stream.info), Errand(load)
        futures: tuple[Future[Any], ...] = (opening.future, loading.future)
        wait_for(futures, return_when=FIRST_EXCEPTION)
        if opening.future.done():
            on_open(opening.wait())
        with threads_beside(1):
            yield loading.wait(), stream
