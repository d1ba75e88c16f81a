"""Which process reads, which one runs the model, and which cores each of them has.

* One source is read by a process of its own while the engine's thread runs the model, where there
  is a second core. Torch gets the cores that are left, one at least.
* Several sources before one engine are read by as many processes as there are cores beside the
  engine's, one at least, that share them: a process takes some 60 MB and a third of a second to
  start, and 15 MB a camera. Torch has the cores that are left, one at least.
* A pipe is read by this process: standard input is nobody else's, and what a FIFO holds is gone
  with whoever opened it. With standard input among several sources there is one engine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future
from concurrent.futures import wait as wait_for
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

from costream.cli.loading import workers_for
from costream.engine.ingest_process import IngestProcess, read_apart
from costream.errors import SettingsError
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


def pipes(sources: Sequence[str]) -> set[int]:
    """Returns the numbers of those sources that this process reads where it runs the engine."""
    return {number for number, source in enumerate(sources) if is_pipe(source)}


def engines_for(sources: Sequence[str], device: str | None, asked: int | None) -> int:
    """Returns how many engines share several sources.

    Args:
        sources: their names.
        device: a torch device, or None for the first GPU, else the CPU.
        asked: how many the user asks for, if any.

    Raises:
        SettingsError: standard input is one of the sources, and more than one are asked for.
    """
    if "-" in sources:
        if asked not in (None, 1):
            raise SettingsError(
                "standard input, -, can't be read by several workers: leave out --workers, or "
                "watch a file"
            )
        return 1
    return min(asked or workers_for(device, len(sources)), len(sources))


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
        opening, loading = Errand(lambda: stream.info).start(), Errand(load).start()
        futures: tuple[Future[Any], ...] = (opening.future, loading.future)
        wait_for(futures, return_when=FIRST_EXCEPTION)
        if opening.future.done():
            on_open(opening.wait())
        with threads_beside(1):
            yield loading.wait(), stream


@contextmanager
def watched_together(
    sources: Sequence[DeferredSource], load: Load, here: Collection[int]
) -> Iterator[tuple[Engine, list[DeferredSource | IngestProcess]]]:
    """Has other processes read several sources for one engine; closes them in the end.

    Args:
        sources: the sources, not opened yet.
        load: loads the engine, while the processes start.
        here: numbers of those that this process reads.
    """
    apart = [source for number, source in enumerate(sources) if number not in here]
    processes = min(len(apart), max(1, cores() - 1))
    with ExitStack() as stack:
        read = iter(read_apart(apart, processes))
        streams: list[DeferredSource | IngestProcess] = [
            source if number in here else next(read) for number, source in enumerate(sources)
        ]
        for stream in streams:
            stack.enter_context(closing(stream))
        stack.enter_context(threads_beside(processes))
        yield load(), streams
