"""Busy neighbours: processes that keep a core busy each, whatever else runs on the machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

from costream.engine.child import Child, Line


@contextmanager
def busy_neighbours(count: int) -> Iterator[None]:
    """Runs so many of them, once all are under way."""
    with ExitStack() as stack:
        children = [
            stack.enter_context(closing(Child(_turn, (), "a busy neighbour"))) for _ in range(count)
        ]
        for child in children:
            child.receive()
        yield


def _turn(lines: Sequence[Line]) -> None:
    """The body of a neighbour: it says that it is there, and is busy until it is ended."""
    lines[0].send(None)
    while True:
        pass
