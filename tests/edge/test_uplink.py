"""What the edge sends when, what it is asked for in full, and what it makes of refusals."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from costream.edge.account import Account
from costream.edge.interval import Interval, NativeFrame
from costream.edge.messages import Wanted
from costream.edge.outbox import Item, Outbox
from costream.edge.receiver import Answer
from costream.edge.uplink import MISREAD, Uplink
from costream.edge.wire import (
    CAMERA,
    INTERVAL,
    PACKET,
    PARAMETERS,
    SESSION,
    STRETCH,
    record,
    records,
)
from costream.errors import (
    CoStreamError,
    DeliveryError,
    RejectedError,
    SettingsError,
    SupersededError,
)
from costream.video.record import FrameRecord


class Asking:
    """Takes requests; asks for what it was not given yet, and can lose a request."""

    def __init__(self, *wanted: Wanted) -> None:
        self.wanted = list(wanted)
        self.given: list[list[int]] = []
        self.loses = False

    def send(self, body: Sequence[bytes]) -> Answer:
        if self.loses:
            self.loses = False
            raise DeliveryError("the line is cut")
        kinds = records(body)
        given = [int.from_bytes(found[:4], "big") for kind, found in kinds if kind == STRETCH]
        self.wanted = [one for one in self.wanted if one.id not in given]
        self.given.append(given)
        return Answer("here", 0, 2.0, False, tuple(self.wanted), 0)

    def close(self) -> None: ...


def whole(wanted: Wanted) -> Iterator[bytes]:
    for _ in range(2):
        yield record(STRETCH, wanted.id.to_bytes(4, "big") + b"part")


def test_one_stretch_goes_with_a_request_and_each_goes_once() -> None:
    asking = Asking(Wanted(1, 5.0), Wanted(2, 5.0), Wanted(3, 5.0))
    uplink = Uplink(asking, Outbox(1000, 1.0), Account(), 1.0, whole)
    for _ in range(5):
        uplink.exchange()
    assert asking.given == [[], [1, 1], [2, 2], [3, 3], []]


def test_a_stretch_whose_request_was_lost_is_sent_once_it_is_asked_for_again() -> None:
    asking = Asking(Wanted(1, 5.0), Wanted(2, 5.0))
    uplink = Uplink(asking, Outbox(1000, 1.0), Account(), 1.0, whole)
    uplink._stopped.set()  # it does not wait before it tries again
    uplink.exchange()
    asking.loses = True
    for _ in range(5):
        uplink.exchange()
    # Behind a lost request comes one that asks what arrived, and has nothing in it.
    assert asking.given == [[], [], [1, 1], [2, 2], []]


class Refusing:
    """Fails as it is told, request by request, and takes the others with all that is in them."""

    def __init__(self, *fails: CoStreamError | None) -> None:
        self.fails = list(fails)
        self.requests = self.next = 0

    def send(self, body: Sequence[bytes]) -> Answer:
        self.requests += 1
        if (error := self.fails.pop(0) if self.fails else None) is not None:
            raise error
        self.next += sum(kind != SESSION for kind, _ in records(body))
        return Answer("here", self.next, 2.0, False, (), 0)

    def close(self) -> None: ...


def refused(*fails: CoStreamError | None) -> tuple[Uplink, Refusing, Outbox]:
    receiver, outbox = Refusing(*fails), Outbox(1 << 20, 1e9)
    uplink = Uplink(receiver, outbox, Account(), 1.0, whole)
    uplink._stopped.set()  # it does not wait before it tries again
    return uplink, receiver, outbox


AGAIN = DeliveryError("host answers 503: not now")
NEVER = RejectedError("host answers 401: a wrong token")
MISREAD_ONCE = SettingsError("host answers 422: the stream ends within a record")
OLDER = SupersededError("host answers 410: another edge sends camera door by now: end this one")


@pytest.mark.parametrize("error", [NEVER, MISREAD_ONCE, OLDER])
def test_the_first_request_may_not_be_refused(error: CoStreamError) -> None:
    uplink, _, _ = refused(error)
    with pytest.raises(type(error)):
        uplink.exchange()


@pytest.mark.parametrize("error", [AGAIN, NEVER])
def test_later_a_refusal_is_tried_again_and_told_once(
    error: CoStreamError, caplog: pytest.LogCaptureFixture
) -> None:
    uplink, receiver, _ = refused(None, *[error] * 40)
    for _ in range(41):
        uplink.exchange()
    assert receiver.requests == 41
    assert caplog.messages == [f"{error}; it is tried again"]
    uplink.exchange()
    assert caplog.messages[1:] == ["the receiver is back"]


def test_each_reason_for_a_failure_is_told(caplog: pytest.LogCaptureFixture) -> None:
    uplink, _, _ = refused(None, AGAIN, NEVER, AGAIN, NEVER, None, NEVER)
    for _ in range(7):
        uplink.exchange()
    told = [message.partition(";")[0] for message in caplog.messages]
    assert told == [str(AGAIN), str(NEVER), "the receiver is back", str(NEVER)]


def test_an_older_edge_ends_whenever_it_is_told() -> None:
    uplink, _, _ = refused(None, None, OLDER)
    uplink.exchange()
    uplink.exchange()
    with pytest.raises(SupersededError):
        uplink.exchange()


def test_what_is_not_understood_again_and_again_ends_it() -> None:
    # Between, it asks what has arrived: nothing has.
    uplink, receiver, outbox = refused(None, *[MISREAD_ONCE, None] * 10)
    uplink.exchange()
    _fill(outbox)
    with pytest.raises(SettingsError, match="422"):
        for _ in range(20):
            uplink.exchange()
    assert receiver.requests == 2 * MISREAD


def test_what_is_not_understood_now_and_then_does_not() -> None:
    uplink, receiver, outbox = refused(None, *[MISREAD_ONCE, None, None] * 10)
    uplink.exchange()
    for _ in range(10):
        _fill(outbox)
        for _ in range(3):
            uplink.exchange()
    assert receiver.next and not outbox.batch()


def test_what_changed_is_sent_at_once_and_what_did_not_with_the_heartbeat() -> None:
    outbox = Outbox(1 << 20, 1e9)
    _fill(outbox)
    outbox.wait(30.0)  # a change: it returns at once
    waiting = threading.Thread(target=outbox.wait, args=(30.0,), daemon=True)
    waiting.start()
    frame = NativeFrame(FrameRecord(1, 0.5, "P", 60, 0, False))
    outbox.add([Item(INTERVAL, b"i", Interval((frame,)))])
    waiting.join(0.3)
    assert waiting.is_alive()
    outbox.add([Item(PACKET, b"packet")])
    waiting.join(30.0)
    assert not waiting.is_alive()


def _fill(outbox: Outbox) -> None:
    frame = NativeFrame(FrameRecord(0, 0.0, "I", 60, 0, False))
    told = Item(INTERVAL, b"i", Interval((frame,)))
    outbox.begin(Item(CAMERA, b"c"), Item(PARAMETERS, b"p"), [Item(PACKET, b"packet"), told])
