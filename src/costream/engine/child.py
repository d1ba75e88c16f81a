"""Processes of ours: what they send comes through a pipe, and they end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from costream.errors import ChildError, CoStreamError

Send = Callable[[Any], None]
"""Sends a message to the parent; waits while the pipe is full."""

Body = Callable[..., None]
"""What a child does: takes :data:`Send` and its arguments. It can be pickled."""


@dataclass(frozen=True, slots=True)
class End:
    """The last message of a child.

    Attributes:
        error: what ended it, or None.
    """

    error: CoStreamError | None


class Child:
    """A process that does something and sends messages, the last of them an :class:`End`.

    Args:
        body: what it does.
        args: its arguments, pickled.
        what: names it, where it dies.
    """

    def __init__(self, body: Body, args: tuple[Any, ...], what: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._what = what
        self.messages, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(sender, body, args), daemon=True)
        # What Ctrl-C means is the parent's to say: the child is not even told while it starts.
        with _interrupts_ignored():
            self._process.start()
        # The child has the only writer: when it dies, reading ends instead of waiting.
        sender.close()

    @property
    def pid(self) -> int | None:
        """Its process."""
        return self._process.pid

    def receive(self) -> Any:
        """Waits for the next message; that of a child that died is an :class:`End`."""
        try:
            return self.messages.recv()
        except (EOFError, OSError):
            self._process.join(_JOIN)
            status = self._process.exitcode
            return End(
                ChildError(
                    f"{self._what} ended with status {status}: it may have been killed for want "
                    "of memory"
                )
            )

    def close(self) -> None:
        """Ends the process."""
        self._process.terminate()
        self._process.join()
        self.messages.close()


_JOIN = 5.0
"""Seconds to wait for the status of a child whose pipe has ended."""


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignores SIGINT, which a child inherits that is started within; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _run(sender: Connection, body: Body, args: tuple[Any, ...]) -> None:
    """The main function of a child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    lock = threading.Lock()

    def send(message: Any) -> None:
        with lock:
            sender.send(message)

    error: CoStreamError | None = None
    try:
        body(send, *args)
    except Exception as caught:  # told to the parent, and raised there
        error = ChildError.of(caught)
    send(End(error))
    # Not by way of the interpreter's end, which a thread that sits in FFmpeg turns into a fault.
    os._exit(0)


def _end_with_parent() -> None:
    """Ends this process when its parent has ended, in whatever way: cameras are not left read."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
