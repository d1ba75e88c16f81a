"""Calls that FFmpeg may sit in, made where Ctrl-C is not lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Result = TypeVar("Result")


def awaited(
    call: Callable[[], Result], discard: Callable[[Result], None] = lambda result: None
) -> Result:
    """Returns what a call returns, at once where Ctrl-C ends the wait for it.

    PyAV drops a KeyboardInterrupt that comes while FFmpeg waits for the network, so that on the
    main thread the call gets a thread of its own.

    Args:
        call: is made on another thread, and is not ended by an interrupt.
        discard: given the result that came after the wait was interrupted.

    Raises:
        BaseException: what the call raises, or what interrupts the wait.
    """
    if threading.current_thread() is not threading.main_thread():
        return call()
    return Errand(call, discard).wait()


class Errand(Generic[Result]):
    """A call on a daemon thread, since nobody should wait for it when the program ends.

    Args:
        call: is made from :meth:`start` on, and is not ended by an interrupt.
        discard: given the result that came after a wait was interrupted.

    Attributes:
        future: what becomes of it.
    """

    def __init__(
        self, call: Callable[[], Result], discard: Callable[[Result], None] = lambda result: None
    ) -> None:
        self._call = call
        self._discard = discard
        self.future: Future[Result] = Future()
        self._thread: threading.Thread | None = None

    def start(self) -> Errand[Result]:
        """Makes the call, where it was not made before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="costream-errand", daemon=True)
            self._thread.start()
        return self

    def wait(self) -> Result:
        """Returns the call's result; if the wait is interrupted, the result is discarded.

        Starts it where it was not.

        Raises:
            BaseException: what the call raises, or what interrupts the wait.
        """
        try:
            return self.start().future.result()
        except BaseException:
            self.future.add_done_callback(self._drop)
            raise

    def _run(self) -> None:
        try:
            result = self._call()
        except BaseException as error:  # it belongs to whoever waits
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    def _drop(self, future: Future[Result]) -> None:
        if future.exception() is None:
            self._discard(future.result())
