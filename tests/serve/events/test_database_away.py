"""Events go on while their database is away."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from costream.serve.backend import EventQuery
from costream.serve.config.model import StoreConfig
from costream.serve.config.watched import AlertRule
from costream.serve.events.alerts import Alerts
from costream.serve.events.event import EventMessage
from costream.serve.store.store import Store
from tests.serve.events.watched import a_camera, a_question, a_window
from tests.serve.postgres import PostgresServer
from tests.serve.sinks.collecting import CollectingSink, an_outlet
from tests.serve.waiting import until

SCORES = [0.1, 0.9, 0.9, 0.1, 0.1, 0.8, 0.1, 0.1, 0.7]


def test_postgresql_is_restarted_in_mid_event(tmp_path: Path) -> None:
    server = PostgresServer()
    server.start()
    try:
        _check(server, tmp_path)
    finally:
        server.stop()
        server.remove()


def _check(server: PostgresServer, folder: Path) -> None:
    store = Store.open(StoreConfig(url=SecretStr(server.url)), folder)
    sink, shown = CollectingSink(), list[EventMessage]()
    outlets, now = {"sink": an_outlet(sink)}, lambda: 1016.0
    alerts = Alerts(store, outlets, on_message=shown.append, clock=now, steady=now)
    alerts.start()
    camera = a_camera("door", a_question(rule=AlertRule(cooldown=0)))
    for i, score in enumerate(SCORES):
        if i == 2:
            assert store.flush(10)
            server.stop()
        alerts.observe(camera, camera.questions[0], a_window(1000 + 2 * i, score))
    assert [message.change for message in shown] == ["new", "end", "new", "end", "new"]
    until(alerts.problems)

    server.start()
    until(lambda: not store.problems())
    until(lambda: sink.changes == ["new", "end", "new", "end"])
    events = store.query(EventQuery()).events
    assert [(event.start, event.end) for event in events] == [
        (1014, None),
        (1008, 1010),
        (1000, 1004),
    ]
    assert store.curve(events[2].id) == [(1000, 0.1), (1002, 0.9), (1004, 0.9)]
    alerts.stop()
    store.close()
