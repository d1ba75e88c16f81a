"""Streams that cameras send, on their way to a node."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from costream.errors import SettingsError, SourceError
from costream.serve.cluster import inflow
from costream.serve.cluster.inflow import Inflows


def test_a_stream_is_taken_as_it_comes_and_its_sender_is_told() -> None:
    taken: list[bytes] = []

    def take(chunks: Iterator[bytes]) -> int:
        taken.extend(chunks)
        return sum(map(len, taken))

    inflows = Inflows()
    number = inflows.begin(take)
    assert inflows.put(number, b"ab") and inflows.put(number, b"c")
    assert inflows.end(number) == 3
    assert taken == [b"ab", b"c"]
    assert not inflows.put(number, b"d")
    with pytest.raises(SourceError):
        inflows.end(number)


def test_what_ends_whoever_takes_a_stream_is_told_its_sender() -> None:
    def take(chunks: Iterator[bytes]) -> None:
        next(chunks)
        raise SettingsError("a record is none")

    inflows = Inflows()
    number = inflows.begin(take)
    while inflows.put(number, b"x"):
        time.sleep(0.01)
    with pytest.raises(SettingsError, match="a record is none"):
        inflows.end(number)


def test_a_stream_is_taken_no_faster_than_it_is_read() -> None:
    go = threading.Event()

    def take(chunks: Iterator[bytes]) -> int:
        go.wait(10)
        return sum(1 for _ in chunks)

    inflows = Inflows()
    number = inflows.begin(take)
    for _ in range(inflow.WAITING):
        assert inflows.put(number, b"x")
    threading.Timer(0.2, go.set).start()
    begun = time.monotonic()
    assert inflows.put(number, b"x")
    assert time.monotonic() - begun > 0.1
    assert inflows.end(number) == inflow.WAITING + 1


def test_a_stream_whose_front_end_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflow, "SILENT", 0.1)
    over = threading.Event()

    def take(chunks: Iterator[bytes]) -> None:
        list(chunks)
        over.set()

    Inflows().begin(take)
    assert over.wait(10)
