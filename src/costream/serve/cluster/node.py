"""One node of a cluster: an engine, the cameras that it owns, and the events of these."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from costream.engine.reply import Reply, ReplyOptions
from costream.errors import NoWindowError, StoreError, UnknownError
from costream.serve.api.camera_url import check_camera_url
from costream.serve.cameras.media import MediaFolder
from costream.serve.cluster.book import NodeBook
from costream.serve.cluster.courier import Courier, Parcel
from costream.serve.cluster.held import Held, Seen
from costream.serve.cluster.messages import CameraSpec, Order, Orders, Report
from costream.serve.cluster.need import Capacity, Need
from costream.serve.cluster.relay import Relay
from costream.serve.cluster.spec import ClusterSpec
from costream.serve.cluster.table import LEASE, Handover, PlacementTable, may_write
from costream.serve.config.clock import service_zone
from costream.serve.config.watched import WatchedCamera
from costream.serve.events.tracker import Tracker
from costream.serve.health import cameras_fit, is_stuck
from costream.serve.reporter import Reporter
from costream.serve.status import CameraStatus, News, WindowNews
from costream.serve.store.store import Check, Store
from costream.turn import Turn
from costream.video.reach import Reach

if TYPE_CHECKING:
    from costream.engine.engine import Engine
    from costream.engine.result import Result
    from costream.serve.cameras.fleet import Fleet
    from costream.serve.cluster.needs import Needs

BLIND = frozenset({"lost", "failed", "paused", "resting"})
"""States of cameras of which there are no windows now."""

LOADING = Capacity(0.0)
"""What a node has whose model is not loaded yet."""

FLUSH = 5.0
"""Seconds for which a camera is let go of later, so that its events are written before."""

logger = logging.getLogger("costream")


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """How a node's engine is doing: see :class:`~costream.serve.backend.Health`."""

    ready: bool = False
    pool_rows: tuple[int, int | None] = (0, None)
    swaps: int = 0
    cameras_fit: float | None = None
    stuck: bool = False


@dataclass(frozen=True, slots=True)
class NodeNews:
    """What a node has for the front end.

    Attributes:
        owner: the node's process.
        node: the node's name.
        news: what happened, in order; of previews the newest of each camera.
        statuses: of the cameras that it owns.
        parcels: files that wait to be fetched.
        lines: of its log.
        health: of its engine.
    """

    owner: str
    node: str
    news: Sequence[News]
    statuses: Sequence[CameraStatus]
    parcels: Sequence[Parcel]
    lines: Sequence[logging.LogRecord]
    health: NodeHealth


class Node:
    """Watches the cameras that the placement table says are its own. Any thread may use it.

    It takes orders, and believes the table alone: a camera is its own while the table says so under
    the fence that it was given, which every write of an event checks in its own transaction. It
    goes on with what it has while nobody gives orders.

    Args:
        owner: the name of this process.
        name: the node's name, for people.
        spec: the service's.
        folder: for files, until the front end has them.

    Raises:
        CoStreamError: the store can't be used.
    """

    def __init__(self, owner: str, name: str, spec: ClusterSpec, folder: Path) -> None:
        self.owner, self.name = owner, name
        self._spec = spec
        self._zone = service_zone(spec.timezone)
        self._held: dict[str, Held] = {}
        self._specs: dict[str, CameraSpec] = {}
        self._lock = threading.RLock()
        self._orders = 0
        self._store = Store.open(spec.store, folder, self._permit)
        self._table = PlacementTable(self._store.engine)
        self._relay = Relay(self._is_own)
        self._tracker = Tracker(self._store, {}, on_message=self._relay.publish, once_kept=True)
        self._tracker.changed(())
        self._book = NodeBook(self._tracker)
        self._media = MediaFolder(folder / "media")
        self._engine: Engine | None = None
        self._fleet: Fleet | None = None
        self._needs: Needs | None = None
        self._reporter: Reporter | None = None
        self._renewed = self._heard = monotonic()
        self._problem: str | None = None

    def watch(self, engine: Engine) -> None:
        """Begins to watch what is ordered, now that the model is loaded."""
        from costream.serve.cameras.fleet import Fleet
        from costream.serve.cluster.needs import Needs

        settings = self._spec.settings
        reporter = Reporter(
            self._book,
            self._media,
            lambda: self.fleet,
            self._describe,
            settings.window,
            settings.stride,
        )
        with self._lock:
            self._engine, self._needs, self._reporter = engine, Needs(engine), reporter
            self._fleet = Fleet(
                engine,
                self._relay,
                on_result=self._on_result,
                on_state=self._on_state,
                now=lambda: datetime.now(self._zone),
                reach=self._reach,
            )

    def fail(self, problem: str) -> None:
        """Takes note of why the model can't be loaded."""
        self._problem = problem

    def close(self) -> None:
        """Lets go of all cameras, so that others may have them at once, and ends all watches."""
        with self._lock:
            for camera, held in list(self._held.items()):
                try:
                    self._release(camera, held)
                except StoreError as error:  # others have it when the lease has run out
                    logger.warning("camera %s could not be handed on: %s", camera, error)
            fleet, reporter = self._fleet, self._reporter
        if fleet is not None:
            fleet.close()
        if reporter is not None:
            reporter.close()
        self._store.close()

    @property
    def fleet(self) -> Fleet:
        """The cameras as they are watched.

        Raises:
            NoWindowError: the model is still being loaded.
        """
        if self._fleet is None:
            raise NoWindowError("the model is being loaded: try again in a moment")
        return self._fleet

    # What the controller says.

    def report(self) -> Report:
        """Returns how the node is doing."""
        with self._lock:
            statuses = self._statuses()
            needs = self._needs
            roles = {camera: Order(h.role, h.fence) for camera, h in self._held.items()}
            primed = {c for c, h in self._held.items() if h.role == "prime" and h.is_primed}
            own = {c for c, held in self._held.items() if held.role != "prime"}
            return Report(
                self.owner,
                self.name,
                self._fleet is not None,
                LOADING if needs is None else needs.capacity,
                Need() if needs is None else needs.typical,
                self._orders,
                roles,
                frozenset(primed),
                frozenset(s.id for s in statuses if s.state in BLIND and s.id in own),
                self._measured(statuses),
                self._problems(),
            )

    def obey(self, orders: Orders | None) -> None:
        """Takes orders; None where there are no others than before.

        What the store is needed for and can't be had now is tried again with the next call.

        Raises:
            StoreError: the store can't be used at the moment.
        """
        self._heard = monotonic()
        if orders is None or self._fleet is None:
            return
        with self._lock:
            self._tracker.change_audiences(orders.audiences)
            self._specs = dict(orders.specs)
            try:
                self._begin(orders)
            finally:
                self._end(orders)
            self._orders = orders.number

    def renew(self) -> None:
        """Renews the lease, and lets go of what is no more the node's own: call it now and then.

        A node that reaches neither the store nor the controller for as long as a lease holds stops
        watching: others have its cameras by now, which serve few viewers at a time.

        Raises:
            StoreError: the store can't be used at the moment.
        """
        begun = monotonic()
        try:
            fences = self._table.renew(self.owner, self.name)
        except StoreError:
            if begun - max(self._renewed, self._heard) > LEASE:
                self._lose(list(self._held), "it is cut off")
            raise
        self._renewed = begun
        with self._lock:
            lost = [
                camera
                for camera, held in self._held.items()
                if held.fence and held.since < begun and fences.get(camera) != held.fence
            ]
            self._lose(lost, "another node has it")

    def advance(self) -> None:
        """Does what is due by the clock: call it about twice a second."""
        self._tracker.advance()

    # What the front end asks.

    def news(self, patience: float, lines: Sequence[logging.LogRecord]) -> NodeNews:
        """Returns what happened since the last call; waits for something, but not for long."""
        news = self._relay.fetch(patience)
        return NodeNews(
            self.owner,
            self.name,
            news,
            [status for status in self._statuses() if self._is_own(status.id)],
            self._book.courier.parcels(),
            lines,
            self._health(),
        )

    def inquire(self, camera: str, turns: Sequence[Turn], options: ReplyOptions) -> Reply:
        """Asks one of the cameras that are watched here in free form.

        A reply that has begun is about the window of then, and goes on where the camera is handed
        on meanwhile.

        Raises:
            NoWindowError: the camera is not watched here, or not now.
            SettingsError: something is wrong with the messages.
        """
        try:
            return self.fleet.inquire(camera, turns, options)
        except UnknownError:
            raise NoWindowError(
                f"camera {camera!r} is being handed on to another node: ask again in a moment"
            ) from None

    @property
    def courier(self) -> Courier:
        """Files that wait for the front end."""
        return self._book.courier

    # How it goes.

    def _begin(self, orders: Orders) -> None:
        """Takes what is new, and lets go of what is asked for."""
        for camera, order in orders.cameras.items():
            held = self._held.get(camera)
            if order.role == "prime" and held is None:
                self._held[camera] = Held("prime", self._observe)
            elif order.role == "own" and (held is None or not held.is_own(order.fence)):
                self._own(camera, order.fence, held)
            elif order.role == "yield" and held is not None:
                self._release(camera, held)
        owned = [s.camera for c, s in self._specs.items() if self._is_own(c)]
        self._tracker.changed(owned)

    def _end(self, orders: Orders) -> None:
        """Ends what is not wanted any more; its events are closed by now, and written if possible.

        Others may have what is not ours any more, whether or not the store can be had.
        """
        gone = self._held.keys() - orders.cameras.keys()
        if gone:
            self._store.flush(FLUSH)
        for camera in gone:
            del self._held[camera]
        self._watch_wanted()

    def _own(self, camera: str, fence: int, held: Held | None) -> None:
        """Goes on with a camera where its last owner ended."""
        again = held is not None and held.role == "yield" and held.fence == fence
        left = self._table.take(camera, self.owner, fence)
        if left is None:
            return
        if held is None:
            held = self._held[camera] = Held("own", self._observe)
        if again:
            left = Handover(held.seen, held.rising)
        records = self._store.open_records(camera)
        watched = self._specs[camera].camera

        def prepare() -> None:
            self._tracker.let_go(camera)
            self._tracker.take_up(records, interrupted=left.seen is None)
            if left.seen is not None:
                self._tracker.go_on(watched, left.rising, left.seen)
            self._tracker.changed([*self._owned(), watched])

        held.own(fence, left.seen, prepare)
        logger.info("camera %s is watched here now (fence %d)", camera, fence)

    def _release(self, camera: str, held: Held) -> None:
        """Lets go of a camera: its events are written before, and others have it behind."""
        if held.role == "prime":
            del self._held[camera]
            return
        held.yield_(partial(self._tracker.let_go, camera))
        if not self._store.flush(FLUSH):
            raise StoreError(f"events of camera {camera} can't be written at the moment")
        self._table.release(camera, self.owner, held.fence, held.seen, held.rising)
        del self._held[camera]
        logger.info("camera %s is handed on", camera)

    def _lose(self, cameras: Sequence[str], why: str) -> None:
        with self._lock:
            for camera in cameras:
                held = self._held.pop(camera)
                held.yield_(partial(self._tracker.let_go, camera))
                logger.warning("camera %s is not watched here any more: %s", camera, why)
                self._orders = 0  # what is wanted is asked for again
            if cameras:
                self._watch_wanted()

    def _owned(self) -> list[WatchedCamera]:
        return [spec.camera for camera, spec in self._specs.items() if self._is_own(camera)]

    def _watch_wanted(self) -> None:
        there = [s.camera for c, s in self._specs.items() if c in self._held]
        if self._fleet is not None:
            self._fleet.want(there)

    def _is_own(self, camera: str) -> bool:
        held = self._held.get(camera)
        return held is not None and held.role == "own"

    def _permit(self, camera: str) -> Check:
        held = self._held.get(camera)
        fence = 0 if held is None else held.fence

        def check(connection: Connection) -> bool:
            return fence > 0 and may_write(connection, camera, self.owner, fence)

        return check

    def _on_result(self, camera: WatchedCamera, result: Result, news: WindowNews) -> None:
        held = self._held.get(camera.id)
        if held is not None:
            held.take(Seen(camera, result, news))

    def _observe(self, seen: Seen) -> None:
        if self._reporter is not None:
            self._reporter.on_result(seen.camera, seen.result, seen.news)

    def _on_state(self, status: CameraStatus) -> None:
        if self._reporter is not None and self._is_own(status.id):
            self._reporter.on_state(status)

    def _reach(self, camera: WatchedCamera) -> Reach:
        spec = self._specs.get(camera.id)
        if spec is not None and spec.trusted:
            return "local"
        return check_camera_url(camera.config.url, self._spec.server)

    def _describe(self, camera: str, ask: str) -> str | None:
        from costream.serve.describe import describe

        handle = self.fleet.handle(camera)
        return None if handle is None else describe(handle, ask, model=self._spec.model)

    def _statuses(self) -> list[CameraStatus]:
        return [] if self._fleet is None else self._fleet.statuses()

    def _measured(self, statuses: Iterable[CameraStatus]) -> dict[str, Need]:
        if self._needs is None:
            return {}
        found = {}
        for status in statuses:
            spec = self._specs.get(status.id)
            if spec is not None:
                need = self._needs.of(status, len(spec.camera.questions))
                if need is not None:
                    found[status.id] = need
        return found

    def _problems(self) -> tuple[str, ...]:
        clips = None if self._reporter is None else self._reporter.clips.problem
        found = (*self._store.problems(), clips, self._problem)
        return tuple(problem for problem in found if problem is not None)

    def _health(self) -> NodeHealth:
        engine = self._engine
        if engine is None:
            return NodeHealth()
        statuses, stride = self._statuses(), self._spec.settings.stride
        pool = engine.runner.pool
        return NodeHealth(
            True,
            (pool.used, pool.limit),
            engine.swaps,
            cameras_fit(statuses, stride, len(os.sched_getaffinity(0))),
            is_stuck(statuses, stride),
        )
