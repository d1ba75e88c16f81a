"""The line between an edge and its receiver, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from costream.edge.wire import STANDING, record
from costream.errors import ForgottenError, RejectedError, SupersededError
from tests.edge.lossy import LossyNetwork
from tests.edge.rig import Edge, EdgeBackend, Line, Reader, at_the_camera, server, until
from tests.serve.api.conftest import served

DECODE = "auto"
PUSH = "/api/cameras/door/push"
SPEED = 25
"""Seconds of the stream in one: a minute passes in 2.4 s."""

Lines = Callable[..., Line]


@pytest.fixture
def lines(url: str) -> Iterator[Lines]:
    """Returns lines to the receiver that can fail."""
    with ExitStack() as stack:
        yield lambda **ills: stack.enter_context(closing(Line(url, **ills)))


@pytest.fixture
def impatient(backend: EdgeBackend) -> Iterator[str]:
    """A receiver that ends requests in which nothing moves for two seconds."""
    backend.change_camera("door", {"timeout": 1.0})
    with served(backend, server(idle_timeout=2.0)) as address:
        yield address


def test_a_receiver_is_handed_what_the_camera_would_be(
    backend: EdgeBackend, url: str, quiet: Path
) -> None:
    expected = at_the_camera(quiet, DECODE)
    reader, edge = Reader(backend.port), Edge(quiet, url + PUSH, decode=DECODE)
    until(lambda: len(reader.seen) == len(expected))
    assert reader.seen == expected
    assert edge.account.shown < edge.account.ticks
    assert edge.account.sent < edge.account.camera
    edge.stop()
    assert not edge.errors


def test_a_line_that_is_cut_for_a_minute_loses_nothing(
    backend: EdgeBackend, lines: Lines, long: Path
) -> None:
    expected = at_the_camera(long, DECODE)
    line = lines()
    reader = Reader(backend.port)
    edge = Edge(long, line.url + PUSH, decode=DECODE, speed=SPEED)
    until(lambda: len(reader.seen) > 20)
    line.cut.set()
    begun = edge.account.seconds
    until(lambda: edge.account.seconds > begun + 60)
    line.cut.clear()
    assert len(reader.seen) < len(expected) - 100, "it came in spite of that"
    until(lambda: len(reader.seen) == len(expected))
    assert reader.seen == expected
    assert not [gap for gap in reader.gaps if gap.kind == "skipped"]
    assert backend.silences, "nobody was told that the edge was away"
    assert edge.account.failures and edge.account.left == 0
    edge.stop()
    assert not edge.errors


def test_a_line_that_breaks_all_the_time_loses_nothing(
    backend: EdgeBackend, lines: Lines, busy: Path
) -> None:
    expected = at_the_camera(busy, DECODE)
    line = lines(loss=0.05)
    reader, edge = Reader(backend.port), Edge(busy, line.url + PUSH, decode=DECODE)
    until(lambda: len(reader.seen) == len(expected))
    assert reader.seen == expected
    assert line.broken
    edge.stop()
    assert not edge.errors


def test_a_network_that_loses_one_packet_in_twenty_loses_nothing(
    backend: EdgeBackend, url: str, busy: Path
) -> None:
    expected = at_the_camera(busy, DECODE)
    with LossyNetwork(url, loss=0.05) as network:
        reader, edge = Reader(backend.port), Edge(busy, network.url + PUSH, decode=DECODE)
        until(lambda: len(reader.seen) == len(expected))
        edge.stop()
    assert reader.seen == expected
    assert not edge.errors and edge.account.left == 0
    assert 0.02 < network.lost / network.packets < 0.1
    assert network.lost > 10


def test_a_line_that_is_full_holds_the_stream_up_and_loses_nothing(
    backend: EdgeBackend, lines: Lines, busy: Path
) -> None:
    expected = at_the_camera(busy, DECODE)
    size = busy.stat().st_size
    line = lines(rate=size / 10)  # the camera gives twice as much
    reader = Reader(backend.port)
    edge = Edge(busy, line.url + PUSH, decode=DECODE, speed=4)
    until(lambda: edge.account.ticks == len(expected))
    assert edge.outbox.size > size / 4
    assert len(reader.seen) < len(expected)
    until(lambda: len(reader.seen) == len(expected))
    assert reader.seen == expected
    edge.stop()
    assert not edge.errors and edge.account.left == 0


def test_a_line_that_stands_still_within_a_request_loses_nothing(
    backend: EdgeBackend, impatient: str, busy: Path
) -> None:
    expected = at_the_camera(busy, DECODE)
    with closing(Line(impatient, rate=busy.stat().st_size / 5)) as line:
        reader = Reader(backend.port)
        edge = Edge(busy, line.url + PUSH, decode=DECODE)
        until(lambda: len(reader.seen) > 4)
        line.frozen.set()
        # The service takes the request for ended, within a record or before.
        time.sleep(4.0)
        line.frozen.clear()
        until(lambda: len(reader.seen) == len(expected) or edge.errors)
        edge.stop()
    assert not edge.errors
    assert reader.seen == expected
    assert edge.account.failures


def test_a_line_that_is_too_slow_leaves_out_whole_groups_and_says_so(
    backend: EdgeBackend, lines: Lines, busy: Path
) -> None:
    expected = {one[0]: one for one in at_the_camera(busy, DECODE)}
    size = busy.stat().st_size
    line = lines(rate=size / 40)
    reader = Reader(backend.port)
    edge = Edge(busy, line.url + PUSH, decode=DECODE, speed=4, buffer=size // 6)
    until(lambda: edge.outbox.left > 2)
    line.rate = None
    until(lambda: edge.errors or edge.account.ticks == len(expected))
    assert not edge.errors
    until(lambda: edge.outbox.await_end(1.0))
    # Each tick came or was told to be left out.
    until(lambda: len(reader.seen) + sum(g.frames for g in reader.gaps) == len(expected))
    skipped = [gap for gap in reader.gaps if gap.kind == "skipped"]
    assert skipped and all(gap.frames for gap in skipped)
    # What came is what the camera showed at that tick, but for what lies across a gap.
    for one in reader.seen:
        assert one[:4] == expected[one[0]][:4]
    edge.stop()


def test_a_slow_reader_holds_the_edge_up(backend: EdgeBackend, url: str, quiet: Path) -> None:
    expected = at_the_camera(quiet, DECODE)
    reader = Reader(backend.port, delay=0.05, backlog=2.0)
    edge = Edge(quiet, url + PUSH, decode=DECODE)
    until(lambda: len(reader.seen) == len(expected))
    assert reader.seen == expected
    assert not [gap for gap in reader.gaps if gap.kind == "skipped"]
    edge.stop()


def test_a_receiver_that_is_started_anew_goes_on_in_the_middle(
    backend: EdgeBackend, url: str, busy: Path
) -> None:
    expected = {one[2]: one for one in at_the_camera(busy, DECODE)}
    first, edge = Reader(backend.port), Edge(busy, url + PUSH, decode=DECODE, speed=4)
    until(lambda: len(first.seen) > 12)
    first.end()
    second = Reader(backend.port)
    until(lambda: len(second.seen) > 12)
    assert all(one[2] in expected for one in second.seen)
    assert not second.seen[0][4], "it begins with a picture of its own"
    # Its ticks begin at 0, and go on as the camera's.
    offset = expected[second.seen[3][2]][0] - second.seen[3][0]
    assert [one[0] + offset for one in second.seen] == [expected[one[2]][0] for one in second.seen]
    edge.stop()


@pytest.mark.parametrize("after", [3, 21])
def test_a_receiver_that_is_started_anew_on_a_quiet_stream_has_its_picture(
    backend: EdgeBackend, url: str, quiet: Path, after: int
) -> None:
    expected = {one[2] for one in at_the_camera(quiet, DECODE)}
    first, edge = Reader(backend.port), Edge(quiet, url + PUSH, decode=DECODE, speed=6)
    until(lambda: len(first.seen) > after)
    first.end()
    second = Reader(backend.port)
    until(lambda: len(second.seen) > 10)
    assert not second.errors
    assert {one[2] for one in second.seen} <= expected
    assert not second.seen[0][4], "it begins with a picture of its own"
    edge.stop()


def test_what_can_t_be_decoded_has_the_edge_begin_again(
    backend: EdgeBackend, url: str, quiet: Path
) -> None:
    expected = {one[2] for one in at_the_camera(quiet, DECODE)}
    reader, edge = Reader(backend.port), Edge(quiet, url + PUSH, decode=DECODE, speed=4)
    until(lambda: len(reader.seen) > 4)
    backend.port._pending = memoryview(record(STANDING, b"\x7f\0\0\0\0\0"))
    until(lambda: [gap.kind for gap in reader.gaps] == ["lost", "back"])
    before = len(reader.seen)
    until(lambda: len(reader.seen) > before + 4)
    assert {one[2] for one in reader.seen} <= expected
    edge.stop()


def test_an_edge_that_is_started_anew_takes_over(
    backend: EdgeBackend, url: str, quiet: Path
) -> None:
    expected = at_the_camera(quiet, DECODE)
    reader, first = Reader(backend.port), Edge(quiet, url + PUSH, decode=DECODE, speed=4)
    until(lambda: len(reader.seen) > 8)
    first.stop()
    second = Edge(quiet, url + PUSH, decode=DECODE)
    # How many of the first's frames still came when it was stopped is chance.
    whole = [one[2] for one in expected]
    until(lambda: [one[2] for one in reader.seen[-len(whole) :]] == whole)
    assert [gap.kind for gap in reader.gaps][:2] == ["lost", "back"]
    second.stop()


def test_of_two_edges_the_newer_one_is_heard_and_the_older_one_ends(
    backend: EdgeBackend, url: str, quiet: Path
) -> None:
    reader, first = Reader(backend.port), Edge(quiet, url + PUSH, decode=DECODE, speed=2)
    until(lambda: len(reader.seen) > 2)
    second = Edge(quiet, url + PUSH, decode=DECODE, speed=2)
    until(lambda: first.errors)
    assert [type(error) for error in first.errors] == [SupersededError]
    assert str(first.errors[0]) == (
        "127.0.0.1 answers 410: another edge sends camera door by now: end this one"
    )
    assert first.account.failures == 1, "it was tried again"
    assert not second.account.failures
    first.stop()
    second.stop()


def test_a_wrong_token_is_told_at_once(url: str, quiet: Path) -> None:
    edge = Edge(quiet, url + PUSH, decode=DECODE, token="wrong")
    until(lambda: edge.errors)
    assert isinstance(edge.errors[0], RejectedError)
    assert "401" in str(edge.errors[0]) or "403" in str(edge.errors[0])
    assert "wrong" not in str(edge.errors[0]).replace("wrong token", "")
    edge.uplink.stop()


def test_what_has_arrived_is_forgotten(backend: EdgeBackend, url: str, quiet: Path) -> None:
    reader, edge = Reader(backend.port), Edge(quiet, url + PUSH, decode=DECODE)
    until(lambda: edge.account.ticks == 60)
    until(lambda: edge.outbox.await_end(1.0))
    # Of the last group what is needed to begin anew.
    assert edge.outbox.size < 40_000
    until(lambda: len(reader.seen) == 60)
    edge.stop()


def test_a_stretch_is_had_in_full(backend: EdgeBackend, url: str, quiet: Path) -> None:
    reader, edge = Reader(backend.port), Edge(quiet, url + PUSH, decode=DECODE)
    until(lambda: edge.account.ticks == 60)
    packets = backend.port.stretch(3600.0, 30.0)
    assert len(packets) == 300
    assert sum(len(packet.data) for packet in packets) == edge.ring.received
    edge.stop()
    del reader


def test_a_stretch_that_no_edge_gives_is_told(backend: EdgeBackend) -> None:
    with pytest.raises(ForgottenError, match="look whether it is connected"):
        backend.port.stretch(20.0, patience=0.2)
