"""Cameras that change hands between two nodes: real stores and events, cameras that are made up."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from costream.engine.reply import ReplyOptions
from costream.errors import NoWindowError, StoreError, UnknownError
from costream.serve.backend import EventQuery
from costream.serve.cluster.messages import CameraSpec, Order, Orders
from costream.serve.cluster.need import Capacity, Need
from costream.serve.cluster.node import Node
from costream.serve.cluster.spec import ClusterSpec
from costream.serve.cluster.table import Grant, PlacementTable
from costream.serve.config.model import EngineConfig, Filter, ServerConfig, StoreConfig
from costream.serve.config.watched import AlertRule, WatchedCamera
from costream.serve.events.event import Event, EventMessage
from costream.serve.sinks.audience import Audience
from costream.serve.status import CameraStatus, Preview, Score, StateNews, WindowNews
from costream.serve.store.record import Media
from costream.serve.store.store import Store
from costream.settings import EngineSettings
from costream.turn import Turn
from tests.serve.events.watched import a_camera, a_question
from tests.serve.waiting import until

STRIDE = 0.5
SETTINGS = EngineSettings(fps=4, window=1, stride=STRIDE)
EVERYTHING = Audience(Filter(changes=("new", "update", "end")), False)
RULE = AlertRule(threshold=0.5, release=0.4, cooldown=0, clip=False, still=False, sentence=False)


ENGINE: Any = SimpleNamespace(
    runner=SimpleNamespace(pool=SimpleNamespace(used=3, limit=None)), swaps=0
)


class FakeFleet:
    """Cameras whose windows tests make."""

    def __init__(self, engine: Any, hub: Any, *, on_result: Any, on_state: Any, **_: Any) -> None:
        self.hub, self._on_result, self._on_state = hub, on_result, on_state
        self.wanted: dict[str, WatchedCamera] = {}
        self.states: dict[str, str] = {}

    def want(self, cameras: Iterable[WatchedCamera]) -> None:
        self.wanted = {camera.id: camera for camera in cameras}

    def statuses(self) -> list[CameraStatus]:
        return [CameraStatus(id, self.states.get(id, "watching"), 0.0) for id in self.wanted]

    def enter(self, camera: str, state: str) -> None:
        self.states[camera] = state
        self.hub.publish(StateNews(camera, CameraStatus(camera, state, 0.0)))
        self._on_state(CameraStatus(camera, state, 0.0))

    def answer(self, camera: str, at: float, score: float) -> None:
        watched = self.wanted.get(camera)
        if watched is None:
            return
        received = time.monotonic() - (time.time() - at)
        scores = tuple(Score(q.id, at, score, 0.5) for q in watched.questions)
        news = WindowNews(camera, 0, at, scores, np.zeros((1, 1), np.float32), 0.1, received)
        self.hub.publish(news)
        self._on_result(watched, SimpleNamespace(start=0.0, end=1.0), news)

    def still(self, camera: str, index: int) -> bytes:
        return b"jpeg"

    def handle(self, camera: str) -> None:
        return None

    def inquire(self, camera: str, turns: Any, options: Any) -> Any:
        if camera not in self.wanted:
            raise UnknownError(f"there is no camera {camera}")
        return camera, turns, options

    def close(self) -> None:
        self.wanted = {}


class FakeNeeds:
    def __init__(self, engine: Any) -> None:
        self.capacity, self.typical = Capacity(1e9), Need()

    def of(self, status: CameraStatus, questions: int) -> Need:
        return Need(1.0, 0.1, 0.1)


class World:
    """A front end's store, two nodes, and one camera.

    Attributes:
        messages: what sinks would be told, by the outbox.
    """

    def __init__(self, database: StoreConfig, folder: Path, rule: AlertRule = RULE) -> None:
        self.store = Store.open(database, folder / "front")
        self.table = PlacementTable(self.store.engine)
        spec = ClusterSpec("test", EngineConfig(), SETTINGS, database, ServerConfig(), None)
        self.nodes = {
            name: Node(f"{name}#1", name, spec, folder / name) for name in ("here", "there")
        }
        for node in self.nodes.values():
            node.watch(ENGINE)
        self.camera = a_camera("door", a_question(rule=rule))
        self.fence = 0
        self.begun = time.time() - 8
        self._numbers = itertools.count(1)

    def order(self, node: str, role: str | None) -> None:
        """Has a node do something with the camera, or nothing."""
        spec = CameraSpec(self.camera, True)
        order = {} if role is None else {"door": Order(role, self.fence if role != "prime" else 0)}
        specs = dict.fromkeys(order, spec)
        orders = Orders(next(self._numbers), order, specs, {"house": EVERYTHING})
        self.nodes[node].obey(orders)

    def grant(self, node: str) -> None:
        """Gives the camera to a node, by the table and by orders."""
        (row,) = self.table.grant([Grant("door", f"{node}#1", self.fence)])
        self.fence = row.fence
        self.order(node, "own")

    def answer(self, node: str, at: float, *scores: float) -> None:
        """Has a node answer windows, a stride apart, of which the first ends so many seconds in."""
        fleet: Any = self.nodes[node].fleet
        for n, score in enumerate(scores):
            fleet.answer("door", self.begun + at + n * STRIDE, score)

    def events(self) -> list[Event]:
        self.flush()
        return list(self.store.query(EventQuery()).events)[::-1]

    def flush(self) -> None:
        for node in self.nodes.values():
            assert node._store.flush(5)

    @property
    def messages(self) -> list[EventMessage]:
        self.flush()
        found: list[EventMessage] = []
        last = 0
        while (outgoing := self.store.next_outgoing("house", last)) is not None:
            found.append(outgoing.message)
            last = outgoing.number
        return found

    @property
    def changes(self) -> list[str]:
        return [message.change for message in self.messages]

    def close(self) -> None:
        for node in self.nodes.values():
            node.close()
        self.store.close()


@pytest.fixture
def make(
    database: StoreConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., World]]:
    monkeypatch.setattr("costream.serve.cameras.fleet.Fleet", FakeFleet)
    monkeypatch.setattr("costream.serve.cluster.needs.Needs", FakeNeeds)
    worlds: list[World] = []

    def made(**changes: Any) -> World:
        rule = AlertRule(**{n: getattr(RULE, n) for n in RULE.__dataclass_fields__} | changes)
        worlds.append(World(database, tmp_path, rule))
        return worlds[-1]

    yield made
    for world in worlds:
        world.close()


@pytest.fixture
def world(make: Callable[..., World]) -> World:
    return make()


def seconds(world: World, event: Event) -> tuple[float, float | None]:
    """Returns when an event began and ended, in seconds of the test."""
    end = None if event.end is None else round(event.end - world.begun, 3)
    return round(event.start - world.begun, 3), end


def hand_over(world: World) -> None:
    """Has the camera go from here to there, as the controller does."""
    world.order("here", "yield")
    assert "door" not in world.nodes["here"].report().roles
    world.grant("there")


def test_an_incident_that_goes_on_while_a_camera_is_handed_over_is_one_event(
    world: World,
) -> None:
    world.grant("here")
    world.answer("here", 0.5, 0.1, 0.9, 0.9)  # windows that end at 0.5, 1.0, 1.5
    world.order("there", "prime")
    world.answer("there", 1.2, 0.9)
    world.answer("here", 2.0, 0.9)
    world.answer("there", 1.7, 0.9, 0.9)
    assert world.nodes["there"].report().primed == {"door"}
    hand_over(world)
    world.answer("there", 2.7, 0.9, 0.1, 0.1)
    (event,) = world.events()
    assert seconds(world, event) == (0.5, 2.7) and not event.interrupted
    assert world.changes == ["new", "end"]
    assert len(world.store.curve(event.id)) >= 6


def test_an_incident_that_only_the_next_owner_saw_in_time_is_reported(world: World) -> None:
    world.grant("here")
    world.answer("here", 0.5, 0.1, 0.1)
    world.order("there", "prime")
    world.answer("there", 0.7, 0.1)
    world.order("here", "yield")
    world.answer("there", 1.2, 0.9, 0.9, 0.1)  # nobody owns the camera meanwhile
    assert world.events() == []
    world.grant("there")
    (event,) = world.events()
    assert seconds(world, event) == (1.0, 1.7)
    assert world.changes == ["new", "end"]


def test_an_incident_that_was_reported_is_not_reported_again_by_the_next_owner(
    world: World,
) -> None:
    world.grant("here")
    world.order("there", "prime")
    world.answer("there", 0.7, 0.1, 0.9, 0.9, 0.1)
    world.answer("here", 0.5, 0.1, 0.9, 0.9, 0.1, 0.1)
    hand_over(world)
    world.answer("there", 2.7, 0.1, 0.1)
    assert len(world.events()) == 1
    assert world.changes == ["new", "end"]


def test_what_rises_while_a_camera_is_handed_over_counts_from_when_it_rose(
    make: Callable[..., World],
) -> None:
    world = make(hold=2.0)
    world.grant("here")
    world.answer("here", 0.5, 0.1, 0.9, 0.9)  # it rises from 0.5 on
    world.order("there", "prime")
    world.answer("there", 1.2, 0.9)
    hand_over(world)
    world.answer("there", 1.7, 0.9, 0.9, 0.9, 0.1)
    (event,) = world.events()
    assert seconds(world, event) == (0.5, 2.7)


def test_an_owner_that_dies_leaves_an_event_that_the_next_one_goes_on_with(
    make: Callable[..., World],
) -> None:
    world = make(cooldown=20.0)
    world.grant("here")
    world.answer("here", 0.5, 0.1, 0.9, 0.9)
    world.flush()
    world.grant("there")
    (event,) = world.events()
    assert event.interrupted and seconds(world, event) == (0.5, 1.5)
    world.answer("there", 4.0, 0.9, 0.9)
    (event,) = world.events()
    assert event.end is None and not event.interrupted
    assert world.changes.count("new") == 1


def test_what_an_owner_that_was_cut_off_goes_on_to_say_is_told_nobody(
    make: Callable[..., World],
) -> None:
    world = make(cooldown=20.0)
    world.grant("here")
    world.answer("here", 0.5, 0.1, 0.9)
    world.flush()
    world.grant("there")  # here does not know
    world.answer("here", 1.5, 0.9, 0.1, 0.1)
    world.answer("there", 1.6, 0.9, 0.9)
    (event,) = world.events()
    assert event.end is None
    assert world.nodes["here"]._store.refused > 0
    told = world.nodes["here"].news(0.0, ()).news
    assert [m.change for m in told if isinstance(m, EventMessage)] == ["new"]
    world.nodes["here"].renew()
    assert world.nodes["here"].report().roles == {}
    assert world.nodes["here"].fleet.wanted == {}
    assert world.changes.count("new") == 1 and "end" not in world.changes


def test_a_new_event_of_one_that_was_cut_off_is_told_nobody(world: World) -> None:
    world.grant("here")
    world.answer("here", 0.5, 0.1)
    world.grant("there")
    world.answer("here", 1.0, 0.9, 0.9)
    world.answer("there", 1.1, 0.9, 0.9)
    (event,) = world.events()
    assert event.id in {message.event.id for message in world.messages}
    assert world.changes == ["new"]


def test_a_camera_that_was_to_be_handed_over_and_stays_misses_nothing(world: World) -> None:
    world.grant("here")
    world.answer("here", 0.5, 0.1, 0.9)
    held = world.nodes["here"]._held["door"]
    held.yield_(lambda: world.nodes["here"]._tracker.let_go("door"))
    world.answer("here", 1.5, 0.9, 0.9)
    world.order("here", "own")
    world.answer("here", 2.5, 0.1)
    (event,) = world.events()
    assert seconds(world, event) == (0.5, 2.0) and not event.interrupted
    assert world.changes == ["new", "end"]


def test_a_camera_that_is_not_wanted_any_more_has_its_events_ended(
    make: Callable[..., World],
) -> None:
    world = make(cooldown=20.0)
    world.grant("here")
    world.answer("here", 0.5, 0.1, 0.9)
    world.order("here", None)
    (event,) = world.events()
    assert event.interrupted and world.changes == ["new", "end"]
    assert world.nodes["here"].report().roles == {}


def test_news_are_told_of_cameras_that_a_node_owns_alone(world: World) -> None:
    world.grant("here")
    world.order("there", "prime")
    for name in ("here", "there"):
        world.answer(name, 0.5, 0.1)
        fleet: Any = world.nodes[name].fleet
        for tick in range(3):
            fleet.hub.publish(Preview("door", 1.0, tick, b"jpeg", None))
    here = world.nodes["here"].news(0.0, ())
    assert [type(news) for news in here.news] == [WindowNews, Preview]
    assert here.news[-1].tick == 2  # the newest alone
    assert [status.id for status in here.statuses] == ["door"]
    there = world.nodes["there"].news(0.0, ())
    assert there.news == [] and there.statuses == []
    assert world.nodes["here"].news(0.0, ()).news == []


def test_a_camera_is_asked_where_it_is_watched(world: World) -> None:
    turns, options = [Turn("user", "Who comes?")], ReplyOptions()
    world.grant("here")
    assert world.nodes["here"].inquire("door", turns, options) == ("door", turns, options)
    with pytest.raises(NoWindowError, match="handed on to another node"):
        world.nodes["there"].inquire("door", turns, options)
    hand_over(world)
    world.order("here", None)
    assert world.nodes["there"].inquire("door", turns, options)
    with pytest.raises(NoWindowError, match="handed on to another node"):
        world.nodes["here"].inquire("door", turns, options)


def test_a_camera_that_is_lost_is_said_to_be_blind_and_its_incident_is_over(
    make: Callable[..., World],
) -> None:
    world = make(cooldown=20.0)
    world.grant("here")
    world.answer("here", 0.5, 0.1, 0.9)
    fleet: Any = world.nodes["here"].fleet
    fleet.enter("door", "lost")
    assert world.nodes["here"].report().blind == {"door"}
    (event,) = world.events()
    assert event.interrupted


def test_a_still_counts_once_the_front_end_has_it(make: Callable[..., World]) -> None:
    world = make(still=True)
    world.grant("here")
    world.answer("here", 0.5, 0.1, 0.9)
    node = world.nodes["here"]
    until(lambda: node.courier.parcels(), 10)
    (parcel,) = node.courier.parcels()
    assert node.courier.read(parcel.number, 0) == b"jpeg"
    assert node.courier.read(parcel.number, 4) == b""
    assert world.changes == []  # held back
    path = world.store._files._folder / "still.jpg"
    path.write_bytes(b"jpeg")
    media: Media = world.store.describe("still", path)
    world.store.add_media(parcel.event, media, lambda record: None)
    node.courier.done(parcel.number, media)
    until(lambda: world.changes, 10)
    assert world.messages[0].event.still and world.changes[0] == "new"
    assert node.courier.parcels() == ()
    assert world.events()[0].still


def test_a_store_that_is_away_keeps_a_node_watching_and_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.grant("here")
    node = world.nodes["here"]

    def away(*_: object) -> None:
        raise StoreError("away")

    with monkeypatch.context() as patch:
        patch.setattr(node._table, "renew", away)
        with pytest.raises(StoreError):
            node.renew()
        assert node.report().roles.keys() == {"door"}
        # Neither the store nor the controller, for longer than a lease: others have it by now.
        node._renewed = node._heard = time.monotonic() - 60
        with pytest.raises(StoreError):
            node.renew()
        assert node.report().roles == {}
    world.order("here", "own")
    assert node.report().roles.keys() == {"door"}
