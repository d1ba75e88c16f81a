"""The thread that empties the outbox into the receiver."""

from __future__ import annotations

import logging
import math
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from costream.edge.account import Account
from costream.edge.messages import Session, Wanted
from costream.edge.outbox import Item, Outbox
from costream.edge.receiver import Answer
from costream.edge.wire import INTERVAL, LARGEST, PACKET, SESSION, packed, record
from costream.errors import (
    CoStreamError,
    DeliveryError,
    RejectedError,
    SettingsError,
    SupersededError,
)
from costream.video.backoff import Backoff


class Exchange(Protocol):
    """What takes requests, such as a :class:`~costream.edge.receiver.Receiver`."""

    def send(self, body: Sequence[bytes]) -> Answer:
        """Sends a request and returns the answer."""
        ...

    def close(self) -> None:
        """Ends it."""
        ...


BUSY = 0.5
"""Seconds before a receiver that takes no more is asked again."""

ABSENT = 2.0
"""Seconds before a receiver is asked again that does not read the camera at the moment."""

MISREAD = 3
"""Requests that may be refused as not understood, until something arrives again. One may have come
in part, where the line stood still for too long."""

OnWanted = Callable[[Wanted], Iterator[bytes]]
"""Returns the records that answer a wish."""

logger = logging.getLogger("costream")


class Uplink:
    """Sends what waits, again and again until it has arrived.

    A request is answered with what arrived by then: one that was not answered is sent again, and
    the receiver leaves out what it has.

    Args:
        receiver: where to.
        outbox: what waits.
        account: counts.
        heartbeat: seconds after which a request is made at the latest.
        on_wanted: answers wishes for a stretch in full.
    """

    def __init__(
        self,
        receiver: Exchange,
        outbox: Outbox,
        account: Account,
        heartbeat: float,
        on_wanted: OnWanted,
    ) -> None:
        self._receiver = receiver
        self._outbox = outbox
        self._account = account
        self._heartbeat = heartbeat
        self._on_wanted = on_wanted
        self._session = secrets.token_hex(8)
        self._instance = ""
        self._next = 0
        self._more = False
        self._doubtful = False
        self._misread = 0  # requests that were not understood since something arrived
        self._said: set[str] = set()  # why requests failed since the last one that did not
        self._backoff = Backoff(math.inf)
        self._stopped = threading.Event()
        self._greeted = threading.Event()
        self._wishes: tuple[Wanted, ...] = ()
        self._flight: list[Item] = []
        self.fps: float | None = None
        """At which the receiver wants the camera to be sampled, once it has said so."""

    def greeted(self) -> float | None:
        """Waits until the receiver has said at which rate the camera is sampled.

        Returns:
            Sampled frames a second; None where it was stopped before.
        """
        self._greeted.wait()
        return self.fps

    def run(self) -> None:
        """Sends until it is stopped.

        Raises:
            RejectedError: the receiver refuses the very first request.
            SupersededError: it hears a newer edge.
            SettingsError: it does not understand the very first request, or :data:`MISREAD` later.
        """
        try:
            while not self._stopped.is_set():
                if not self._more and self.fps is not None:
                    self._outbox.wait(self._heartbeat)
                self.exchange()
        finally:
            self._receiver.close()

    def stop(self) -> None:
        """Ends it, soon."""
        self._stopped.set()
        self._greeted.set()
        self._outbox.wake()

    def exchange(self) -> None:
        """Makes one request, and waits where it failed.

        Raises:
            CoStreamError: as :meth:`run`.
        """
        try:
            answer = self._receiver.send(self._body())
        except (DeliveryError, SettingsError) as error:
            self._fail(error)
            return
        if self._said:
            self._said.clear()
            logger.warning("the receiver is back")
        self._backoff = Backoff(math.inf)
        self._take(answer)

    def _fail(self, error: DeliveryError | SettingsError) -> None:
        """Waits before the next request, or raises what ends them."""
        self._account.failures += 1
        self._misread += isinstance(error, SettingsError)
        if self._is_final(error):
            raise error
        self._doubtful = True
        if str(error) not in self._said:
            self._said.add(str(error))
            logger.warning("%s; it is tried again", error)
        self._stopped.wait(self._backoff.next_delay())

    def _is_final(self, error: CoStreamError) -> bool:
        if isinstance(error, SupersededError) or self._misread >= MISREAD:
            return True
        return self.fps is None and isinstance(error, (RejectedError, SettingsError))

    def _body(self) -> list[bytes]:
        session = Session(self._session, self._instance, self._next)
        self._flight = self._outbox.batch() if self._instance else []
        if self._doubtful:
            # What of it arrived is asked first: of a line that breaks often, all of it never would.
            return [record(SESSION, session.encode())]
        body = [record(SESSION, session.encode()), *bundled(self._flight)]
        for wish in self._wishes[:1]:  # the answer names the others again
            body += self._on_wanted(wish)
        self._wishes = ()
        return body

    def _take(self, answer: Answer) -> None:
        account = self._account
        account.requests += 1
        self._doubtful = False
        account.sent += answer.sent
        self.fps = answer.fps
        self._greeted.set()
        self._wishes = answer.wanted
        if answer.instance != self._instance:
            self._instance, self._next = answer.instance, 0
            self._outbox.restart()
            self._more = bool(answer.instance)
            self._pause(answer)
            return
        count = answer.next - self._next
        if not 0 <= count <= len(self._flight):
            raise SettingsError("the receiver lost count: start the edge again")
        if count:
            self._misread = 0
        account.packets += sum(len(i.payload) for i in self._flight[:count] if i.kind == PACKET)
        self._next = answer.next
        self._more = self._outbox.arrived(count) or bool(self._wishes)
        self._pause(answer)

    def _pause(self, answer: Answer) -> None:
        if not answer.instance:
            self._stopped.wait(ABSENT)
        elif answer.busy:
            self._stopped.wait(BUSY)


def bundled(items: list[Item]) -> Iterator[bytes]:
    """Yields records as they are sent: those of intervals in a row as one."""
    bundle = bytearray()
    for item in items:
        one = record(item.kind, item.payload)
        if item.kind == INTERVAL and len(bundle) + len(one) <= LARGEST:
            bundle += one
            continue
        if bundle:
            yield packed(bytes(bundle))
            bundle = bytearray()
        if item.kind == INTERVAL:
            bundle += one
        else:
            yield one
    if bundle:
        yield packed(bytes(bundle))
