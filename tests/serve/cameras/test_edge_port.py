"""The port of a camera's edge in the service: what is asked of the edge, and how much is taken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from costream.edge.messages import SentPacket, Session, Wanted, encode_lost, encode_parameters
from costream.edge.receiver import MAX_WANTED
from costream.edge.wire import (
    HEARTBEAT,
    LARGEST_PACKET,
    LOST,
    PACKET,
    PARAMETERS,
    SESSION,
    STRETCH,
    record,
)
from costream.errors import (
    CoStreamError,
    DeliveryError,
    ForgottenError,
    RejectedError,
    SettingsError,
    SupersededError,
)
from costream.serve.api.errors import status_of
from costream.serve.cameras import edge
from costream.serve.cameras.edge import EdgePort
from costream.video.packet_ring import CodecParameters, StoredPacket
from tests.edge.rig import until

PATIENCE = 30.0
BEGIN = record(SESSION, Session("a", "", 0).encode())
H264 = CodecParameters("h264", "h264", None, "avc1", 320, 240, Fraction(1, 90000))


@pytest.fixture
def port(tmp_path: Path) -> Iterator[EdgePort]:
    port = EdgePort(tmp_path, "door", 2.0, lambda: 60.0, lambda why: None)
    yield port
    port.close()


class Asked(threading.Thread):
    """Somebody who asks for a stretch."""

    def __init__(self, port: EdgePort) -> None:
        super().__init__()
        self.port = port
        self.packets: list[StoredPacket] = []
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.packets = self.port.stretch(20.0, PATIENCE)
        except ForgottenError as error:
            self.error = error


def wanted(port: EdgePort) -> tuple[Wanted, ...]:
    return port.take([BEGIN]).wanted


def part(wish: Wanted, kind: int, payload: bytes) -> bytes:
    return record(STRETCH, wish.id.to_bytes(4, "big") + bytes((kind,)) + payload)


def stretch(wish: Wanted, packets: list[bytes]) -> list[bytes]:
    sent = [SentPacket(n, data, n, n, key=not n).encode() for n, data in enumerate(packets)]
    return [
        BEGIN,
        part(wish, PARAMETERS, encode_parameters(H264)),
        *(part(wish, PACKET, one) for one in sent),
        part(wish, LOST, encode_lost("the stretch is whole")),
    ]


def test_each_who_asks_at_once_is_given_a_stretch_of_their_own(port: EdgePort) -> None:
    asking = [Asked(port) for _ in range(MAX_WANTED + 4)]
    until(lambda: len(wanted(port)) == MAX_WANTED)
    told = 0
    while wishes := wanted(port):
        assert len(wishes) <= MAX_WANTED
        for wish in wishes:
            port.take(stretch(wish, [b"%d" % wish.id]))
            told += 1
    assert told == len(asking)
    for one in asking:
        one.join(PATIENCE)
    assert len({one.packets[0].data for one in asking}) == len(asking)


@pytest.mark.parametrize("size", [1, LARGEST_PACKET - 100])
def test_a_stretch_that_is_too_long_is_not_kept(
    port: EdgePort, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(edge, "LARGEST_STRETCH", 1 << 20)
    asking = Asked(port)
    until(lambda: wanted(port))
    (wish,) = wanted(port)
    port.take(stretch(wish, [bytes(size)] * min(5000, 2 * (1 << 20) // size + 1)))
    asking.join(PATIENCE)
    assert "ask for fewer seconds" in str(asking.error)


def test_a_request_waits_for_the_last_one_and_then_is_to_come_again(
    port: EdgePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "PATIENCE", 0.1)
    entered, over = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield BEGIN
        entered.set()
        over.wait(PATIENCE)

    last = threading.Thread(target=port.take, args=(slowly(),))
    last.start()
    assert entered.wait(PATIENCE)
    with pytest.raises(DeliveryError, match="another request") as told:
        port.take([BEGIN])
    assert not isinstance(told.value, RejectedError)
    over.set()
    last.join(PATIENCE)
    assert port.take([BEGIN]).next == 0


def test_the_older_of_two_edges_is_told_for_good(port: EdgePort) -> None:
    newer = record(SESSION, Session("b", "", 0).encode())
    port.take([BEGIN])
    port.take([newer])
    for _ in range(2):
        with pytest.raises(SupersededError, match="another edge sends camera door"):
            port.take([BEGIN])
        port.take([newer])


@pytest.mark.parametrize(
    ("error", "status"),
    [(SupersededError("x"), 410), (RejectedError("x"), 409), (DeliveryError("x"), 503)],
)
def test_what_an_edge_is_told_has_a_status_of_its_own(error: CoStreamError, status: int) -> None:
    assert status_of(error) == status


def test_what_is_no_edge_s_is_refused(port: EdgePort) -> None:
    with pytest.raises(SettingsError, match="begins with a record of its session"):
        port.take([record(HEARTBEAT)])
    with pytest.raises(SettingsError, match="is none that an edge sends"):
        port.take([BEGIN, record(HEARTBEAT)])
