"""Whatever the scores and whenever the service is killed: every event begins and ends once."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from costream.serve.backend import EventQuery
from costream.serve.config.model import StoreConfig
from costream.serve.config.watched import AlertRule
from costream.serve.events.alerts import Alerts
from costream.serve.events.event import EventMessage
from costream.serve.store.store import Store
from tests.serve.events.watched import a_camera, a_question, a_window
from tests.serve.sinks.collecting import CollectingSink, an_outlet
from tests.serve.waiting import until

Move = float | None | Literal["kill", "wait", "lose", "announce"]

MOVES = st.lists(
    st.one_of(
        st.sampled_from([0.9, 0.9, 0.4, 0.1, 0.1, None]),
        st.sampled_from(["kill", "wait", "lose", "announce"]),
    ),
    max_size=40,
)
CAMERA = a_camera("door", a_question(rule=AlertRule(cooldown=5, hold=3)))


class Run:
    """A service that is killed and started again, with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.shown: list[EventMessage] = []
        self.sink = CollectingSink()
        self._folder = folder
        self.begin()

    def begin(self) -> None:
        self.store = Store.open(StoreConfig(), self._folder)
        outlets = {"sink": an_outlet(self.sink)}
        self.alerts = Alerts(
            self.store,
            outlets,
            on_message=self.shown.append,
            clock=lambda: self.now,
            steady=lambda: self.now,
        )
        self.alerts.start()
        self.alerts.changed([CAMERA])

    def make(self, move: Move) -> None:
        self.now += 2
        if move == "kill":
            self.alerts.stop()
            self.store.close()
            self.begin()
        elif move == "wait":
            self.now += 40
            self.alerts.advance()
        elif move == "lose":
            self.alerts.lost("door", self.now)
        elif move == "announce":
            if self.shown:
                self.alerts.announce(self.shown[-1].event.id)
        else:
            assert not isinstance(move, str)
            self.alerts.observe(CAMERA, CAMERA.questions[0], a_window(self.now, move))

    def end(self) -> list[str]:
        self.alerts.changed([])
        until(lambda: self.store.flush() and self.store.waiting("sink") == 0)
        events = [event.id for event in self.store.query(EventQuery()).events]
        assert self.store.open_records() == []
        self.alerts.stop()
        self.store.close()
        return events


@settings(max_examples=40)
@given(MOVES)
def test_every_event_begins_and_ends_once(moves: list[Move]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder))
        for move in moves:
            run.make(move)
        events = run.end()
    shown, told = _changes(run.shown), _changes(run.sink.messages)
    assert sorted(shown) == sorted(told) == sorted(events)
    for changes in (*shown.values(), *told.values()):
        assert (changes[0], changes[-1]) == ("new", "end")
        assert set(changes[1:-1]) <= {"update"}


def _changes(messages: list[EventMessage]) -> dict[str, list[str]]:
    changes = defaultdict(list)
    for message in messages:
        changes[message.event.id].append(message.change)
    return changes
