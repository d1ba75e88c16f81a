"""Runs a program with an event on its standard input."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from costream.errors import DeliveryError
from costream.printable import printable
from costream.serve.config.model import CommandConfig
from costream.serve.events.event import EventMessage
from costream.serve.sinks.base import Sink
from costream.serve.sinks.refusals import Refusals, delivery_key

_LAST_WORDS = 200
_KEPT = 65536
"""Bytes that are kept of what a program writes to standard error: as many as a pipe holds."""

_TURN = 0.05
_SHORTEST_SECRET = 4


class CommandSink(Sink):
    """Runs a program for each message: no shell, JSON on its standard input, one at a time.

    Exit status 0 takes the message. Status 75 (``EX_TEMPFAIL``), a program that can't be started
    and one that is too slow are tried again for as long as it takes; any other status refuses the
    message, and so many refusals in a row reject it (:data:`~.refusals.REFUSALS`). A program that
    is too slow is killed with all processes of its group. What a program leaves running when it
    ends is not waited for; nobody reads what that writes to standard error.
    """

    def __init__(self, config: CommandConfig) -> None:
        self._run = list(config.run)
        self._name = printable(Path(config.run[0]).name)
        self._timeout = config.timeout
        self._refusals = Refusals()

    def deliver(self, message: EventMessage) -> None:
        body = json.dumps(message.to_dict(), ensure_ascii=False).encode() + b"\n"
        status, errors = self._outcome(body, message)
        if status == 0:
            return
        said = f"{self._name} ended with status {status}{self._last_words(errors)}"
        if status == os.EX_TEMPFAIL:
            raise DeliveryError(said)
        raise self._refusals.refuse(message, said)

    def _outcome(self, body: bytes, message: EventMessage) -> tuple[int, bytes]:
        """Runs the program; returns its exit status and the end of its standard error."""
        with os.fdopen(os.memfd_create("event"), "wb+") as given:
            given.write(body)
            given.seek(0)
            process = self._started(given, message)
        with process:
            try:
                errors = _ending(process, self._timeout)
            except subprocess.TimeoutExpired:
                _kill_group(process)
                raise DeliveryError(
                    f"{self._name} did not end within {self._timeout:g} s and was killed"
                ) from None
        return process.returncode, errors

    def _started(self, given: BinaryIO, message: EventMessage) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "COSTREAM_DELIVERY": delivery_key(message)}
        try:
            return subprocess.Popen(
                self._run,
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=environment,
            )
        except OSError as error:
            raise DeliveryError(f"{self._name} can't be started: {error.strerror}") from None

    def _last_words(self, errors: bytes) -> str:
        """Returns the last line of what a program wrote, arguments masked: they may be secret."""
        lines = errors.decode(errors="replace").strip().splitlines()
        words = lines[-1] if lines else ""
        for argument in self._run[1:]:
            if len(argument) >= _SHORTEST_SECRET:
                words = words.replace(argument, "***")
        return f": {printable(words[:_LAST_WORDS])}" if words else ""


def _ending(process: subprocess.Popen[bytes], timeout: float) -> bytes:
    """Waits for a program's end; returns the end of what it wrote to standard error.

    Raises:
        TimeoutExpired: it takes longer than ``timeout`` seconds.
    """
    assert process.stderr is not None
    pipe, end, kept = process.stderr.fileno(), monotonic() + timeout, b""
    readable = select.poll()
    readable.register(pipe, select.POLLIN)
    while (left := end - monotonic()) > 0:
        # Asked before the last read, so that nothing is missed of what it wrote.
        ended = process.poll() is not None
        if readable.poll(0 if ended else 1000 * min(left, _TURN)):
            chunk = os.read(pipe, _KEPT)
            kept = (kept + chunk)[-_KEPT:]
            if not chunk:
                process.wait(left)
                return kept
        if ended:
            return kept
    raise subprocess.TimeoutExpired(process.args, timeout)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a program and all that it started in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
