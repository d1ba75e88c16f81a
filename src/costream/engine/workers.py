"""Symmetric workers: processes that each read their share of the cameras and run an engine on it.

On a CPU this is the layout that carries most cameras: a worker's engine uses one thread, so that no
thread waits at another's barrier, and what is read need not be sent. Each loads the weights.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from costream.engine.child import Child, End, Line
from costream.engine.ingest import OnGap
from costream.engine.result import Result
from costream.engine.view import StreamView
from costream.video import DeferredSource, Gap

if TYPE_CHECKING:
    from costream.engine.engine import Engine

Load = Callable[[], "Engine"]
"""Loads an engine in a worker. It is pickled: a function of a module, or a ``partial`` of one."""

logger = logging.getLogger("costream")


def watch_in_workers(
    load: Load,
    sources: Sequence[DeferredSource],
    ask: Sequence[str],
    workers: int,
    *,
    view: StreamView | None = None,
    on_gap: OnGap | None = None,
) -> Iterator[Result]:
    """Returns what :meth:`Engine.watch` does of several sources, from several processes.

    Args:
        load: loads an engine.
        sources: what to watch, not opened yet: the workers open and close them.
        ask: the questions.
        workers: how many processes.
        view: masks and zones, the same of all sources.
        on_gap: told of every gap of a live source.

    Raises:
        CoStreamError: while iterating, once all have ended: a source could not be watched to its
            end, or a worker died. It is told at once, too.
    """
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                closing(
                    Child(_work, (load, sources[n::workers], list(ask), view), "a worker process")
                )
            )
            for n in range(workers)
        ]
        yield from _results(children, on_gap)


def _results(children: Sequence[Child], on_gap: OnGap | None) -> Iterator[Result]:
    errors: list[Exception] = []
    alive = {child.connections[0]: child for child in children}
    while alive:
        for ready in wait(list(alive)):
            assert isinstance(ready, Connection)
            message = alive[ready].receive()
            if isinstance(message, End):
                del alive[ready]
                _note(message, errors, others=bool(alive))
            elif isinstance(message, Gap):
                if on_gap is not None:
                    on_gap(message)
            else:
                yield message
    if errors:
        raise errors[0]


def _note(end: End, errors: list[Exception], *, others: bool) -> None:
    """Notes what ended a worker; tells it at once while others go on."""
    if end.error is None:
        return
    errors.append(end.error)
    if others or len(errors) > 1:
        logger.warning("%s", end.error)


def _work(
    lines: Sequence[Line],
    load: Load,
    sources: Sequence[DeferredSource],
    ask: Sequence[str],
    view: StreamView | None,
) -> None:
    """The body of a worker."""
    import torch

    torch.set_num_threads(1)
    with ExitStack() as stack:
        for source in sources:
            stack.enter_context(closing(source))
        for result in load().watch(sources, ask, view=view, on_gap=lines[0].send):
            lines[0].send(result)
