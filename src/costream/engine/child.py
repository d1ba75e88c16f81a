"""Processes of ours: they talk with their parent over connections, and end with it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from costream.errors import ChildError

Body = Callable[..., None]
"""What a child does: takes its :class:`Line` s and its arguments. It can be pickled."""

logger = logging.getLogger("costream")


@dataclass(frozen=True, slots=True)
class End:
    """The last message of a line.

    Attributes:
        error: what ended it, or None.
    """

    error: Exception | None


class Line:
    """The child's end of a connection with its parent. Any thread may send, one receives.

    A parent that has gone, in whatever way, ends the child here: nobody is left to hear why.

    Args:
        connection: the connection.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._lock = threading.Lock()
        self._ended = False

    def send(self, message: Any) -> None:
        """Sends a message to the parent; waits while the connection is full."""
        with self._lock, _or_leave():
            self.connection.send(message)

    def receive(self) -> Any:
        """Waits for the parent's next message."""
        with _or_leave():
            return self.connection.recv()

    def end(self, error: Exception | None = None) -> None:
        """Sends the last message, where none was sent yet."""
        with self._lock:
            if not self._ended:
                self._ended = True
                with _or_leave():
                    self.connection.send(End(None if error is None else ChildError.of(error)))


@contextmanager
def _or_leave() -> Iterator[None]:
    """Ends this process where the other end of a connection is closed."""
    try:
        yield
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(1)


class Child:
    """A process that does something and sends messages, the last of each line an :class:`End`.

    What it logs is logged here, whoever receives. Its warnings are thus shown as the parent's own
    are.

    Args:
        body: what it does.
        args: its arguments, pickled.
        what: names it, where it dies.
        lines: connections between parent and child.

    Attributes:
        connections: the parent's ends of the lines.
    """

    def __init__(self, body: Body, args: tuple[Any, ...], what: str, lines: int = 1) -> None:
        context = multiprocessing.get_context("spawn")
        self._what = what
        pairs = [context.Pipe() for _ in range(lines + 1)]
        (log, _), *mine = pairs
        self.connections = [connection for connection, _ in mine]
        self._receiving = [threading.Lock() for _ in mine]
        theirs = [other for _, other in pairs]
        self._process = context.Process(target=_run, args=(theirs, body, args), daemon=True)
        # What Ctrl-C means is the parent's to say: the child is not even told while it starts.
        with _interrupts_ignored():
            self._process.start()
        self._pid = self._process.pid
        self._ending = threading.Lock()
        self._ended = False
        self._status: int | None = None
        # The child has the only other ends: when it dies, reading ends instead of waiting.
        for other in theirs:
            other.close()
        self._log = threading.Thread(
            target=_relay, args=(log,), name="costream-child-log", daemon=True
        )
        self._log.start()

    @property
    def pid(self) -> int | None:
        """Its process."""
        return self._pid

    @property
    def ended(self) -> bool:
        """Whether it was closed, and so is no more."""
        return self._ended

    def send(self, message: Any, line: int = 0) -> bool:
        """Sends a message to the child; says whether it was there to take it."""
        try:
            self.connections[line].send(message)
        except OSError:
            return False
        return True

    def receive(self, line: int = 0) -> Any:
        """Waits for a line's next message; that of a child that died is an :class:`End`."""
        try:
            return self._take(line)
        except (EOFError, OSError):
            return End(
                ChildError(
                    f"{self._what} ended with status {self._exit_status()}: it may have been "
                    "killed for want of memory"
                )
            )

    def messages(self, line: int = 0) -> Iterator[Any]:
        """Yields a line's messages to its end, of whatever it dies."""
        with suppress(EOFError, OSError):
            while not isinstance(message := self._take(line), End):
                yield message

    def _take(self, line: int) -> Any:
        with self._receiving[line]:
            return self.connections[line].recv()

    def close(self) -> None:
        """Ends the process, once all that it logged is logged."""
        self._end()
        self._log.join(_JOIN)
        # Whoever still waits for a message is woken by the process's end first.
        for receiving, connection in zip(self._receiving, self.connections, strict=True):
            with receiving:
                connection.close()

    def _exit_status(self) -> int | None:
        """Returns the status of a process whose connection has ended."""
        with self._ending:
            if not self._ended:
                self._process.join(_JOIN)
                self._status = self._process.exitcode
            return self._status

    def _end(self) -> None:
        with self._ending:
            if self._ended:
                return
            self._process.terminate()
            self._process.join()
            self._status = self._process.exitcode
            # Its handles would stay open until the garbage collector comes by.
            self._process.close()
            self._ended = True


_JOIN = 5.0
"""Seconds to wait for the status of a child whose connection has ended, and for its log's end."""


def _relay(log: Connection) -> None:
    """Logs what a child logs, until it ends."""
    with log:
        try:
            while True:
                level, message = log.recv()
                logger.log(level, "%s", message)
        except (EOFError, OSError):
            return


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


class _Forward(logging.Handler):
    """Sends what is logged to the parent, which logs it."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        """Sends a record's level and its message."""
        self._line.send((record.levelno, record.getMessage()))


def _run(connections: Sequence[Connection], body: Body, args: tuple[Any, ...]) -> None:
    """The main function of a child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    log, *lines = map(Line, connections)
    logger.addHandler(_Forward(log))
    error: Exception | None = None
    try:
        body(lines, *args)
    except Exception as caught:  # told to the parent, and raised there
        error = caught
    for line in lines:
        line.end(error)
    # Not by way of the interpreter's end, which a thread that sits in FFmpeg turns into a fault.
    os._exit(0)


def end_with_parent() -> None:
    """Has this process end when its parent has, in whatever way: nothing goes on for nobody."""
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
