"""What the edge is asked for in full, and how it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from costream.edge.account import Account
from costream.edge.messages import Wanted
from costream.edge.outbox import Outbox
from costream.edge.receiver import Answer
from costream.edge.uplink import Uplink
from costream.edge.wire import STRETCH, record, records
from costream.errors import DeliveryError


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
