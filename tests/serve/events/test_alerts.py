"""From scores to messages, across restarts."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from costream.errors import SettingsError
from costream.serve.backend import EventQuery
from costream.serve.config.model import StoreConfig
from costream.serve.config.watched import AlertRule, WatchedCamera
from costream.serve.events.alerts import Alerts
from costream.serve.events.event import EventMessage
from costream.serve.sinks.outlet import Outlet
from costream.serve.store.store import Store
from tests.serve.events.watched import a_camera, a_question, a_window
from tests.serve.sinks.collecting import CollectingSink, HangingSink, PromptSink, an_outlet
from tests.serve.waiting import until


class Service:
    """Alerts with a clock that tests set, and what came of them."""

    def __init__(self, folder: Path, **outlets: Outlet) -> None:
        self.now = 0.0
        self.folder = folder
        self.messages: list[EventMessage] = []
        self.store = Store.open(StoreConfig(), folder)
        self.set = 0.0
        """By how much the wall clock was set."""
        self.alerts = Alerts(
            self.store,
            outlets,
            on_message=self.messages.append,
            clock=lambda: self.now + self.set,
            steady=lambda: self.now,
        )
        self.camera = a_camera()
        self.alerts.start()

    def score(self, *scores: float | None, camera: WatchedCamera | None = None) -> None:
        camera = camera or self.camera
        for score in scores:
            self.now += 2
            window = a_window(self.now + self.set, score, self.now)
            self.alerts.observe(camera, camera.questions[0], window)

    def close(self) -> None:
        self.alerts.stop()
        self.store.close()

    @property
    def changes(self) -> list[str]:
        return [message.change for message in self.messages]

    @property
    def id(self) -> str:
        return self.messages[-1].event.id


@pytest.fixture
def sink() -> CollectingSink:
    return CollectingSink()


@pytest.fixture
def service(tmp_path: Path, sink: CollectingSink) -> Iterator[Service]:
    service = Service(tmp_path, sink=an_outlet(sink))
    yield service
    service.close()


@pytest.mark.parametrize("set", [3600.0, -3600.0])
def test_a_new_that_is_held_back_is_told_in_time_though_the_clock_is_set(
    service: Service, sink: CollectingSink, set: float
) -> None:
    service.now = 10_000.0
    service.score(0.9)
    service.set = set
    service.now += 10
    service.alerts.advance()
    until(lambda: sink.changes == ["new"])
    service.score(0.9, 0.9)
    assert service.changes == ["new", "end", "new"]
    assert [message.event.interrupted for message in service.messages] == [False, True, False]


def test_an_incident_of_a_minute_gives_one_event_and_one_message(tmp_path: Path) -> None:
    sink = CollectingSink()
    service = Service(tmp_path, sink=an_outlet(sink, changes=("new",)))
    service.score(*[0.1] * 3, *[0.9] * 30, *[0.1] * 15)
    (event,) = service.store.query(EventQuery()).events
    assert (event.start, event.end) == (6, 66)
    assert service.changes == ["new", "update", "end"]
    until(lambda: sink.messages)
    service.close()
    assert sink.changes == ["new"]
    assert {message.event.id for message in service.messages} == {event.id}


def test_two_incidents_with_a_pause_longer_than_the_cool_down_give_two(
    service: Service, sink: CollectingSink
) -> None:
    service.score(*[0.9] * 5, *[0.1] * 15, *[0.9] * 5, *[0.1] * 15)
    assert len(service.store.query(EventQuery()).events) == 2
    until(lambda: sink.changes.count("end") == 2)
    assert sink.changes == ["new", "end", "new", "end"]
    assert len({message.event.id for message in sink.messages}) == 2


def test_the_curve_begins_before_the_event(service: Service) -> None:
    service.score(0.1, None, 0.2, 0.9, 0.8)
    assert service.store.curve(service.id) == [(2, 0.1), (6, 0.2), (8, 0.9), (10, 0.8)]


def test_a_new_waits_for_its_still_and_sentence(service: Service, sink: CollectingSink) -> None:
    service.score(0.9)
    still = service.folder / "still.jpg"
    still.write_bytes(b"jpeg")
    service.alerts.attach(service.id, still=still, sentence="A person\nwalks.")
    service.store.flush()
    assert sink.messages == []
    service.alerts.announce(service.id)
    service.alerts.announce(service.id)
    until(lambda: sink.messages)
    assert sink.changes == ["new"]
    told = sink.messages[0].event
    assert (told.still, told.sentence) == (True, "A person walks.")
    assert service.store.file(told.id, "still") == still


def test_a_new_waits_no_longer_than_its_patience(service: Service, sink: CollectingSink) -> None:
    service.score(0.9)
    service.alerts.advance()
    assert not service.store.waiting("sink")
    service.now += 10
    service.alerts.advance()
    until(lambda: sink.changes == ["new"])


def test_an_end_takes_the_new_that_was_held_back_with_it(tmp_path: Path) -> None:
    sink = CollectingSink()
    service = Service(tmp_path, sink=an_outlet(sink))
    service.camera = a_camera("door", a_question(rule=AlertRule(cooldown=0)))
    service.score(0.9, 0.1)
    until(lambda: len(sink.messages) == 2)
    service.close()
    assert sink.changes == ["new", "end"]


def test_a_prompt_sink_is_told_of_all_at_once(tmp_path: Path) -> None:
    sink = PromptSink()
    service = Service(tmp_path, sink=an_outlet(sink, changes=("new",)))
    service.score(0.9)
    until(lambda: sink.changes == ["new"])
    service.alerts.announce(service.id)
    service.score(0.1)
    until(lambda: sink.changes == ["new", "update"])
    assert sink.messages[-1].event.end == 2
    service.close()


def test_what_is_attached_later_is_told_until_the_end(
    service: Service, sink: CollectingSink
) -> None:
    service.score(0.9)
    service.alerts.announce(service.id)
    clip = service.folder / "clip.mp4"
    clip.write_bytes(b"video")
    service.alerts.attach(service.id, clip=clip)
    until(lambda: sink.changes == ["new", "update"])
    assert sink.messages[-1].event.clip
    service.score(*[0.1] * 15)
    until(lambda: sink.changes[-1] == "end")
    service.alerts.attach(service.id, sentence="Later.")
    assert service.store.event(service.id).sentence == "Later."
    assert service.messages[-1].change == "update"
    assert service.messages[-1].event == service.store.event(service.id)
    assert not service.store.waiting("sink")


def test_attaching_checks_what_it_is_given(
    service: Service, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    service.score(0.9)
    outside = tmp_path_factory.mktemp("outside") / "a.jpg"
    outside.write_bytes(b"")
    with pytest.raises(SettingsError, match="data folder"):
        service.alerts.attach(service.id, still=outside)
    service.alerts.attach("0" * 26, sentence="Nothing.")
    service.store.flush()
    assert "there is no event 00000000000000000000000000 any more" in caplog.text
    assert not service.store.problems()


def test_what_is_made_of_an_event_that_is_over_waits_for_its_database(service: Service) -> None:
    service.score(0.9, *[0.1] * 15)
    event, clip = service.id, service.folder / "clip.mp4"
    clip.write_bytes(b"video")
    still = clip.with_suffix(".jpg")
    still.write_bytes(b"picture")
    service.store.flush()
    with sqlite3.connect(service.folder / "costream.sqlite", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        service.alerts.attach(event, clip=clip)
        service.alerts.attach(event, still=still)
        service.alerts.attach(event, sentence="Somebody fell.")
        other.execute("ROLLBACK")
    until(lambda: not service.store.queued)
    after = service.store.event(event)
    assert (after.clip, after.still, after.sentence) == (True, True, "Somebody fell.")
    assert service.store.file(event, "clip") == clip


def test_filters_of_a_sink(tmp_path: Path) -> None:
    yard, door = CollectingSink(), CollectingSink()
    service = Service(
        tmp_path,
        yard=an_outlet(yard, cameras=["yard"]),
        door=an_outlet(door, questions=["person"], changes=("end",)),
    )
    service.score(0.9, *[0.1] * 15)
    until(lambda: door.messages)
    service.score(0.9, *[0.1] * 15, camera=a_camera("yard", a_question("car")))
    until(lambda: len(yard.messages) == 2)
    service.close()
    assert [message.event.camera for message in yard.messages] == ["yard", "yard"]
    assert door.changes == ["end"]


def test_a_lost_camera_interrupts_its_events_alone(service: Service) -> None:
    other = a_camera("yard")
    service.score(0.9)
    service.score(0.9, camera=other)
    (message,) = service.alerts.lost("door", service.now)
    assert (message.event.camera, message.event.end, message.event.interrupted) == ("door", 2, True)
    service.now += 100
    service.alerts.advance()
    ended = [m.event.camera for m in service.messages if m.change == "end"]
    assert sorted(ended) == ["door", "yard"]


@pytest.mark.parametrize(
    "cameras",
    [
        [],
        [a_camera("yard")],
        [a_camera("door", a_question("car"))],
        [a_camera("door", paused=True)],
        [a_camera("door", a_question(ask="Is there a dog?"))],
        [a_camera("door", a_question(rule=AlertRule(threshold=0.7)))],
    ],
)
def test_an_event_ends_when_its_question_is_not_asked_so_any_more(
    service: Service, sink: CollectingSink, cameras: list[WatchedCamera]
) -> None:
    service.alerts.changed([service.camera])
    service.score(0.9)
    (message,) = service.alerts.changed(cameras)
    assert (message.change, message.event.interrupted) == ("end", True)
    until(lambda: len(sink.announced) and sink.announced[-1] == tuple(cameras))


def test_an_event_goes_on_when_only_names_change(service: Service) -> None:
    service.alerts.changed([service.camera])
    service.score(0.9)
    assert service.alerts.changed([a_camera("door", a_question(name="Somebody"))]) == []


def test_windows_of_what_is_no_longer_asked_are_left_out(service: Service) -> None:
    service.alerts.changed([])
    service.score(0.9)
    assert service.messages == []


def test_a_sink_that_hangs_keeps_no_other_and_no_camera_waiting(tmp_path: Path) -> None:
    hanging, sink = HangingSink(), CollectingSink()
    service = Service(tmp_path, hanging=an_outlet(hanging), sink=an_outlet(sink))
    service.score(0.9)
    service.alerts.announce(service.id)
    assert hanging.hangs.wait(30)
    began = time.monotonic()
    for _ in range(10):
        service.score(*[0.1] * 15, 0.9)  # all but the first new are told with their end
    assert time.monotonic() - began < 5
    until(lambda: sink.changes.count("end") == 10)
    statuses = {status.name: status for status in service.alerts.sinks()}
    assert (statuses["sink"].delivered, statuses["sink"].waiting) == (21, 0)
    assert (statuses["hanging"].delivered, statuses["hanging"].waiting) == (0, 21)
    hanging.released.set()
    service.close()


def test_an_event_goes_on_after_a_restart(tmp_path: Path) -> None:
    first = Service(tmp_path)
    first.score(0.9, 0.8)
    first.close()

    second = Service(tmp_path)
    second.now = first.now + 8
    assert second.changes == ["update"]
    assert second.messages[0].event.interrupted
    second.alerts.changed([second.camera])
    second.score(0.95, *[0.1] * 15)
    second.close()
    assert second.changes == ["update", "update", "update", "end"]
    assert {message.event.id for message in second.messages} == {first.id}
    store = Store.open(StoreConfig(), tmp_path)
    event = store.event(first.id)
    assert (event.start, event.end, event.score, event.interrupted) == (0, 14, 0.95, False)
    assert [at for at, _ in store.curve(first.id)][:3] == [2, 4, 14]
    store.close()


def test_an_event_is_ended_after_a_restart_that_comes_too_late(tmp_path: Path) -> None:
    first = Service(tmp_path)
    first.score(0.9, 0.8)
    first.close()

    second = Service(tmp_path)
    second.now = first.now + 1000
    second.score(0.9)
    second.close()
    assert second.changes == ["update", "end", "new"]
    ended = second.messages[1].event
    assert (ended.id, ended.end, ended.interrupted) == (first.id, 4, True)


def test_a_new_that_was_held_back_is_told_after_a_restart(tmp_path: Path) -> None:
    first = Service(tmp_path)
    first.score(0.9)
    first.store.close()  # as if the process had been killed

    sink = CollectingSink()
    second = Service(tmp_path, sink=an_outlet(sink, changes=("new",)))
    until(lambda: sink.changes == ["new"])
    second.close()
    assert sink.messages[0].event.id == first.id


def test_an_event_of_a_question_that_is_gone_ends_at_the_restart(tmp_path: Path) -> None:
    first = Service(tmp_path)
    first.score(0.9)
    first.close()
    second = Service(tmp_path)
    (end,) = second.alerts.changed([a_camera("door", a_question(ask="Is there a dog?"))])
    second.close()
    assert (end.change, end.event.id) == ("end", first.id)
