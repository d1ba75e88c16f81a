"""Symmetric workers: processes that each read their share of the cameras and run an engine on it.

On a CPU this is the layout that carries most cameras: a worker's engine uses one thread, so that no
thread waits at another's barrier, and what is read need not be sent. The weights are files that all
of them map.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from queue import Empty
from typing import TYPE_CHECKING, Any

from costream.engine.ingest import OnGap
from costream.engine.verdict import Verdict
from costream.errors import CoStreamError
from costream.video import DeferredSource, Gap

if TYPE_CHECKING:
    from costream.engine.engine import Engine

_LOOK_EVERY = 0.5
"""Seconds after which it is looked whether a silent worker still lives."""

Load = Callable[[], "Engine"]
"""Loads an engine in a worker. It is pickled: a function of a module, or a ``partial`` of one."""


@dataclass(frozen=True, slots=True)
class _Done:
    """The last message of a worker.

    Attributes:
        worker: its number.
        error: what ended it, or None.
    """

    worker: int
    error: CoStreamError | None


def watch_in_workers(
    load: Load,
    sources: Sequence[DeferredSource],
    ask: Sequence[str],
    workers: int,
    *,
    on_gap: OnGap | None = None,
) -> Iterator[Verdict]:
    """Returns what :meth:`Engine.watch` does of several sources, from several processes.

    Args:
        load: loads an engine.
        sources: what to watch, not opened yet: the workers open and close them.
        ask: the questions.
        workers: how many processes.
        on_gap: told of every gap of a live source.

    Raises:
        CoStreamError: while iterating, once all have ended: a source could not be watched to its
            end, or a worker died.
    """
    context = multiprocessing.get_context("spawn")
    messages = context.Queue(maxsize=64 * workers)
    processes = [
        context.Process(
            target=_work, args=(n, load, sources[n::workers], list(ask), messages), daemon=True
        )
        for n in range(workers)
    ]
    for process in processes:
        process.start()
    try:
        yield from _results(messages, processes, on_gap)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _results(
    messages: Any, processes: Sequence[BaseProcess], on_gap: OnGap | None
) -> Iterator[Verdict]:
    errors: list[CoStreamError] = []
    alive = dict(enumerate(processes))
    while alive:
        try:
            message = messages.get(timeout=_LOOK_EVERY)
        except Empty:
            errors += _dead(alive)
            continue
        if isinstance(message, _Done):
            alive.pop(message.worker, None)
            errors += [message.error] if message.error is not None else []
        elif isinstance(message, Gap):
            if on_gap is not None:
                on_gap(message)
        else:
            yield message
    if errors:
        raise errors[0]


def _dead(alive: dict[int, BaseProcess]) -> list[CoStreamError]:
    """Takes out the workers that ended without a last message."""
    dead = [n for n, process in alive.items() if process.exitcode is not None]
    return [
        CoStreamError(
            f"a worker process ended with status {alive.pop(n).exitcode}: its cameras are not "
            "watched any longer; it may have been killed for want of memory"
        )
        for n in dead
    ]


def _work(
    number: int,
    load: Load,
    sources: Sequence[DeferredSource],
    ask: Sequence[str],
    messages: Any,
) -> None:
    """The body of a worker."""
    import torch

    # The parent is told of an interrupt as well, and ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    error: CoStreamError | None = None
    try:
        with ExitStack() as stack:
            for source in sources:
                stack.enter_context(closing(source))
            for verdict in load().watch(sources, ask, on_gap=messages.put):
                messages.put(verdict)
    except CoStreamError as caught:
        error = caught
    messages.put(_Done(number, error))
    messages.close()
    messages.join_thread()
