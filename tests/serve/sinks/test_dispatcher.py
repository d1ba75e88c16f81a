"""Messages are delivered in order, each until it is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from costream.errors import DeliveryError, RejectedError
from costream.serve.config.model import StoreConfig, WebhookConfig
from costream.serve.events.event import EventMessage
from costream.serve.sinks import dispatcher as dispatcher_module
from costream.serve.sinks.base import Sink
from costream.serve.sinks.dispatcher import LONGEST_PAUSE, Dispatcher, pause_after
from costream.serve.sinks.outlet import make_outlet
from costream.serve.store.record import Outgoing
from costream.serve.store.schema import OUTBOX
from costream.serve.store.store import Store
from tests.serve.events.watched import a_camera
from tests.serve.sinks.collecting import CollectingSink, an_outlet
from tests.serve.sinks.receiver import Receiver
from tests.serve.store.records import a_record
from tests.serve.waiting import until

Start = Callable[[Sink], Dispatcher]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(StoreConfig(), tmp_path)
    yield store
    store.close()


@pytest.fixture
def start(store: Store) -> Iterator[Start]:
    """Starts dispatchers that try again after 10 ms."""
    started: list[Dispatcher] = []

    def start(sink: Sink) -> Dispatcher:
        dispatcher = Dispatcher("sink", an_outlet(sink), store, pause=lambda attempts: 0.01)
        dispatcher.start()
        started.append(dispatcher)
        return dispatcher

    yield start
    for dispatcher in started:
        dispatcher.stop()
        dispatcher.join(10)


def put(store: Store, start: float, dispatcher: Dispatcher | None = None) -> str:
    record = a_record(start)
    wake = None if dispatcher is None else dispatcher.wake
    store.put(record, [("sink", EventMessage("new", record.event, start))], then=wake)
    store.flush(10)
    return record.event.id


def test_what_waits_is_delivered_in_order_and_then_what_comes(store: Store, start: Start) -> None:
    ids = [put(store, 100 + i) for i in range(5)]
    sink = CollectingSink()
    dispatcher = start(sink)
    ids += [put(store, 200 + i, dispatcher) for i in range(5)]
    until(lambda: len(sink.messages) == 10)
    assert [message.event.id for message in sink.messages] == ids
    until(lambda: dispatcher.status().waiting == 0)


def test_a_message_that_is_not_taken_keeps_its_place(store: Store, start: Start) -> None:
    ids = [put(store, 100 + i) for i in range(3)]
    sink = CollectingSink()
    sink.errors = [DeliveryError("away"), DeliveryError("away"), ValueError("a mistake of ours")]
    dispatcher = start(sink)
    until(lambda: len(sink.messages) == 3)
    assert [message.event.id for message in sink.messages] == ids
    until(lambda: dispatcher.status().delivered == 3)
    status = dispatcher.status()
    assert (status.failed, status.rejected, status.error) == (3, 0, None)


def test_a_message_that_is_rejected_is_left_out(store: Store, start: Start) -> None:
    put(store, 100)
    second = put(store, 101)
    sink = CollectingSink()
    sink.errors = [RejectedError("never")]
    dispatcher = start(sink)
    until(lambda: sink.messages)
    assert [message.event.id for message in sink.messages] == [second]
    until(lambda: dispatcher.status().waiting == 0)
    assert dispatcher.status().rejected == 1


def test_attempts_and_their_pause_outlive_the_process(store: Store) -> None:
    put(store, 100)
    sink = CollectingSink()
    sink.errors = [DeliveryError("away")]
    attempts: list[int] = []

    def pause(attempt: int) -> float:
        attempts.append(attempt)
        return 1000.0

    first = Dispatcher("sink", an_outlet(sink), store, clock=lambda: 50.0, pause=pause)
    first.start()
    until(lambda: attempts)
    first.stop()
    first.join(10)
    store.flush()
    outgoing = store.next_outgoing("sink", 0)
    assert outgoing is not None
    assert (outgoing.attempts, outgoing.due) == (1, 1050.0)

    second = Dispatcher("sink", an_outlet(sink), store, clock=lambda: 1051.0, pause=pause)
    second.start()
    until(lambda: sink.messages)
    second.stop()
    second.join(10)


@pytest.mark.parametrize("set", [3600.0, -3600.0])
def test_a_clock_that_is_set_keeps_no_message_waiting(store: Store, set: float) -> None:
    put(store, 100)
    sink, now = CollectingSink(), [5000.0]
    sink.errors = [DeliveryError("away")]
    outlet = an_outlet(sink)
    dispatcher = Dispatcher("sink", outlet, store, clock=lambda: now[0], pause=lambda attempts: 1.0)
    dispatcher.start()
    until(lambda: (outgoing := store.next_outgoing("sink", 0)) and outgoing.attempts == 1)
    now[0] += set
    until(lambda: sink.messages)
    dispatcher.stop()
    dispatcher.join(10)


def test_a_sink_is_told_of_cameras_by_its_own_thread_and_closed(store: Store, start: Start) -> None:
    sink = CollectingSink()
    dispatcher = start(sink)
    dispatcher.announce([a_camera()])
    until(lambda: sink.announced)
    dispatcher.stop()
    dispatcher.join(10)
    assert sink.closed.is_set()


def test_a_webhook_that_was_down_gets_all_later_in_order(store: Store) -> None:
    receiver = Receiver()
    config = WebhookConfig.model_validate({"type": "webhook", "url": receiver.url})
    outlet = make_outlet(config, lambda id: Path(id))
    dispatcher = Dispatcher("sink", outlet, store, pause=lambda attempts: 0.02)
    dispatcher.start()
    ids = [put(store, 100, dispatcher)]
    until(lambda: len(receiver.requests) == 1)

    receiver.stop()
    ids += [put(store, 101 + i, dispatcher) for i in range(10)]
    until(lambda: dispatcher.status().failed >= 3)
    status = dispatcher.status()
    assert status.waiting == 10
    assert status.error is not None
    assert "can't be reached" in status.error
    receiver.statuses = [503, 500]
    receiver.start()

    until(lambda: len(receiver.requests) == 11)
    keys = [request.headers["idempotency-key"] for request in receiver.requests]
    assert keys == [f"{id}:new" for id in ids]
    dispatcher.stop()
    dispatcher.join(10)
    receiver.stop()


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_five_minutes(attempts: int, chance: float) -> None:
    pause = pause_after(attempts, lambda: chance)
    assert 0.5 <= pause <= LONGEST_PAUSE == 300
    assert pause <= 2.0 ** (attempts - 1) if attempts < 20 else pause > 149


def test_a_message_that_can_t_be_read_is_left_out(store: Store, start: Start) -> None:
    put(store, 1000)
    with store._engine.begin() as connection:
        connection.execute(update(OUTBOX).values(payload='{"change": "new"}'))
    sink = CollectingSink()
    dispatcher = start(sink)
    until(lambda: dispatcher.status().rejected)
    second = put(store, 2000, dispatcher)
    until(lambda: [message.event.id for message in sink.messages] == [second])


def test_an_error_of_the_store_that_nobody_foresaw_ends_no_dispatcher(
    store: Store, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "_IDLE", 0.01)
    broken = iter([RuntimeError("out of order")])
    next_outgoing = store.next_outgoing

    def sometimes(sink: str, after: int) -> Outgoing | None:
        for error in broken:
            raise error
        return next_outgoing(sink, after)

    monkeypatch.setattr(store, "next_outgoing", sometimes)
    put(store, 1000)
    sink = CollectingSink()
    start(sink)
    until(lambda: sink.changes == ["new"])
