"""A service that is killed in the middle of an event."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from costream.serve.backend import EventQuery
from costream.serve.config.model import StoreConfig
from costream.serve.events.event import Event
from costream.serve.store.store import Store
from tests.serve.sinks.receiver import Receiver

ROOT = Path(__file__).parents[3]
KILLS = 2


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def watch(folder: Path, receiver: Receiver, cooldown: float, *, finish: bool) -> None:
    """Runs the watcher until it reports that an event is open, and kills it or lets it finish."""
    arguments = [str(folder), receiver.url, str(cooldown), *(["finish"] if finish else [])]
    command = [sys.executable, "-m", "tests.serve.events.watcher", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        if not finish:
            process.kill()
        process.wait(60)


def events_after_kills(folder: Path, receiver: Receiver, cooldown: float) -> list[Event]:
    for _ in range(KILLS):
        watch(folder, receiver, cooldown, finish=False)
    watch(folder, receiver, cooldown, finish=True)
    store = Store.open(StoreConfig(), folder)
    assert store.open_records() == []
    events = store.query(EventQuery()).events
    store.close()
    return list(events)


def keys(receiver: Receiver) -> Counter[str]:
    return Counter(request.headers["idempotency-key"] for request in receiver.requests)


def test_an_incident_that_goes_on_within_the_cool_down_is_one_event(
    tmp_path: Path, receiver: Receiver
) -> None:
    (event,) = events_after_kills(tmp_path, receiver, cooldown=600)
    assert set(keys(receiver)) == {f"{event.id}:new", f"{event.id}:end"}


def test_without_a_cool_down_each_event_is_ended_and_none_is_doubled(
    tmp_path: Path, receiver: Receiver
) -> None:
    events = events_after_kills(tmp_path, receiver, cooldown=0)
    assert len(events) == KILLS + 1
    assert all(event.interrupted and event.end is not None for event in events)
    assert set(keys(receiver)) == {f"{e.id}:{change}" for e in events for change in ("new", "end")}
    told = [json.loads(request.body) for request in receiver.requests]
    for event in events:
        changes = [message["change"] for message in told if message["event"]["id"] == event.id]
        assert list(dict.fromkeys(changes)) == ["new", "end"]
