"""The service whose cameras are watched by the nodes of a cluster."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import costream
from costream.engine.reply import Reply, ReplyOptions
from costream.errors import ClusterError, NoWindowError, SourceError, StoreError, UnknownError
from costream.serve.backend import Health, NodeStatus, SinkStatus
from costream.serve.cameras.edge import EdgeReply
from costream.serve.cluster.inflow import Kind
from costream.serve.cluster.messages import CameraSpec, ClusterState
from costream.serve.cluster.node import NodeHealth, NodeNews
from costream.serve.cluster.parcels import Parcels, ParcelSource
from costream.serve.cluster.remote_replies import RemoteReplies, ReplySource
from costream.serve.cluster.spec import ClusterSpec
from costream.serve.cluster.table import PlacementTable
from costream.serve.config.model import ServiceConfig
from costream.serve.config.watched import WatchedCamera
from costream.serve.events.event import EventMessage
from costream.serve.events.tracker import Tracker
from costream.serve.front_end import FrontEnd
from costream.serve.sinks.audience import Audience
from costream.serve.sinks.delivery import Delivery
from costream.serve.sinks.outlet import Outlet
from costream.serve.status import CameraStatus, News, StateNews
from costream.serve.store.retention import Retention
from costream.settings import EngineSettings
from costream.turn import Turn

LOOK = 1.0
"""Seconds after which the controller is asked how the cluster is doing."""

PATIENCE = 0.5
"""Seconds to wait for news of nodes at a time."""

ORPHANED = 30.0
"""Seconds after which open events of cameras that are gone are looked for."""

HANDING_ON = 5.0
"""Seconds for which the status of a camera's last owner is shown while the next one begins."""

ALIVE = 60.0
"""Seconds without a turn after which the front end counts as stuck."""

logger = logging.getLogger("costream")


class Cluster(ParcelSource, ReplySource, Protocol):
    """The line to the cluster: see :class:`~costream.serve.cluster.link.Link`."""

    def begin(self, spec: ClusterSpec) -> None: ...
    def want(
        self, cameras: Mapping[str, CameraSpec], audiences: Mapping[str, Audience]
    ) -> bool: ...
    def state(self) -> tuple[ClusterState, bool, Sequence[logging.LogRecord]]: ...
    def news(self, patience: float) -> list[NodeNews]: ...
    def send(
        self, node: str, kind: Kind, camera: str, chunks: Iterator[bytes], framed: bool
    ) -> Any: ...
    def recording(self, node: str, camera: str, seconds: float) -> bytes: ...
    def end(self) -> None: ...
    def close(self) -> None: ...


class ClusterService(FrontEnd):
    """Has nodes watch cameras, keeps their events' files, and tells whoever is to know.

    Any thread may use it.

    Args:
        config: what the file says.
        settings: the engine's.
        cluster: the line to the cluster.
        file: the configuration's file, which :meth:`reload` reads again, if it is one's.

    Raises:
        CoStreamError: the store can't be opened, or a sink can't be used as configured.
    """

    def __init__(
        self,
        config: ServiceConfig,
        settings: EngineSettings,
        cluster: Cluster,
        *,
        file: Path | None = None,
    ) -> None:
        super().__init__(config, settings, file=file)
        self._spec = ClusterSpec.of(config, settings)
        self._cluster = cluster
        self._table = PlacementTable(self._store.engine)
        self._delivery = Delivery(self._store, self._outlets_of(config))
        self._retention = Retention(self._store)
        self._parcels = Parcels(self._store, self.folder / "media", cluster, self.hub.publish)
        self._replies = RemoteReplies(cluster)
        self._version, self._told = 1, 0
        self._ids = set(self.camera_ids())
        self._state = ClusterState()
        self._problem: str | None = "The cluster was not heard of yet."
        self._owners: dict[str, str] = {}
        self._statuses: dict[str, dict[str, CameraStatus]] = {}
        self._healths: dict[str, NodeHealth] = {}
        self._last: dict[str, tuple[CameraStatus, float]] = {}
        self._looked = self._swept = float("-inf")
        self._turned = monotonic()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._repeat, args=(work,), name=f"costream-{name}", daemon=True
            )
            for name, work in (("cluster", self._turn), ("upkeep", self._keep_up))
        ]

    def start(self) -> None:
        """Begins to deliver what waits, and has the cluster watch.

        Raises:
            CoStreamError: the cluster or the store can't be used.
        """
        for sentence in self._configured.left_out:
            logger.warning("%s", sentence)
        self._delivery.keep()
        self._retention.begin()
        self._cluster.begin(self._spec)
        self._delivery.start()
        self._delivery.announce(self._configured.cameras)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends all watching; events that go on are taken up by the next start."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * ALIVE)
        self._replies.close()
        try:
            self._cluster.end()
        except ClusterError as error:
            logger.warning("the cluster goes on: %s", error)
        self._parcels.close()
        self._cluster.close()
        self._delivery.stop(5.0)
        self._store.close()

    @property
    def is_alive(self) -> bool:
        """Whether it makes its way."""
        return monotonic() - self._turned < ALIVE

    # What the API asks.

    def health(self) -> Health:
        """Returns how the service is doing."""
        nodes, store = self._nodes(), self._store.problems()
        found = [self._problem, *self._state.problems, self._unfit, *store]
        if not any(node.ready for node in nodes):
            found.append("No node of the cluster has loaded the model yet.")
        fit = [node.cameras_fit for node in nodes if node.cameras_fit is not None]
        limits = [node.pool_rows[1] for node in nodes]
        rows = None if None in limits else sum(limit or 0 for limit in limits)
        return Health(
            ready=any(node.ready for node in nodes) and not store,
            problems=(*filter(None, found), *self._delivery.problems()),
            started=self._started,
            model=self.model,
            settings=self.shown_settings,
            pool_rows=(sum(node.pool_rows[0] for node in nodes), rows),
            swaps=sum(node.swaps for node in nodes),
            cameras_fit=sum(fit) if fit else None,
            version=costream.__version__,
            nodes=nodes,
        )

    def sinks(self) -> Sequence[SinkStatus]:
        """Returns how each sink is doing."""
        return self._delivery.statuses()

    def status(self, id: str) -> CameraStatus:
        """Returns how a camera is doing, as its owner says."""
        camera = self.camera(id)
        owner = self._owners.get(id, "")
        status = self._statuses.get(owner, {}).get(id)
        if status is not None:
            status = replace(status, node=owner.partition("#")[0])
            self._last[id] = status, monotonic()
            return status
        last, at = self._last.get(id, (None, 0.0))
        if last is not None and monotonic() - at < HANDING_ON and not camera.paused:
            return last
        if camera.paused:
            return CameraStatus(id, "paused", self._started)
        return CameraStatus(id, "starting", self._started, error="no node watches it yet")

    def push(self, camera: str, chunks: Iterator[bytes], *, framed: bool = False) -> int:
        """Takes a camera's own stream until it ends; returns its bytes."""
        taken: int = self._cluster.send(self._node_of(camera), "push", camera, chunks, framed)
        return taken

    def take_edge(self, camera: str, chunks: Iterator[bytes]) -> EdgeReply:
        """Takes a request of a camera's edge."""
        reply: EdgeReply = self._cluster.send(self._node_of(camera), "edge", camera, chunks, True)
        return reply

    def recording(self, camera: str, seconds: float) -> bytes:
        """Returns a camera's newest seconds in full, from its edge: MP4 or Matroska."""
        return self._cluster.recording(self._node_of(camera), camera, seconds)

    def inquire(self, camera: str, turns: Sequence[Turn], options: ReplyOptions) -> Reply:
        """Asks about a camera's window in free form; the node that owns the camera answers.

        Raises:
            UnknownError: there is no such camera.
            NoWindowError: no node owns it now.
            SettingsError: something is wrong with the messages.
        """
        node = self._owner_of(camera)
        if node is None:
            raise NoWindowError(f"camera {camera} is watched by no node now: ask again in a moment")
        return self._replies.begin(node, camera, turns, options)

    def drain(self, node: str, drained: bool) -> None:
        """Has a node hand on its cameras and get none, or be given some again.

        Raises:
            UnknownError: there is no node of this name.
            StoreError: the store can't be used at the moment.
        """
        if node not in {state.node for state in self._state.nodes}:
            raise UnknownError(f"there is no node {node!r}")
        self._table.drain(node, drained)

    # How it goes.

    def _want(self, cameras: tuple[WatchedCamera, ...]) -> None:
        before, self._ids = self._ids, {camera.id for camera in cameras}
        for gone in before - self._ids:
            self.hub.forget(gone)
            self.hub.publish(StateNews(gone, None))
        self._delivery.announce(cameras)
        self._version += 1

    def _change_sinks(self, changed: Mapping[str, Outlet | None]) -> None:
        self._delivery.change(changed, lambda audiences: None)
        self._version += 1

    def _turn(self) -> None:
        """Hears of the cluster, and passes on what its nodes tell."""
        if monotonic() - self._looked >= LOOK or self._told != self._version:
            self._looked = monotonic()
            self._look()
        for news in self._cluster.news(PATIENCE):
            self._hear(news)
        self._turned = monotonic()

    def _look(self) -> None:
        state, known, lines = self._cluster.state()
        _log(lines)
        version = self._version  # before the cameras are read: they may change meanwhile
        wanted = version != self._told or not known
        if wanted and self._cluster.want(self._specs(), self._delivery.audiences()):
            self._told = version
        self._state = state
        self._owners = {row.camera: row.owner for row in self._table.rows()}
        there = {node.owner for node in state.nodes}
        for owner in self._statuses.keys() - there:
            del self._statuses[owner]
        self._problem = None

    def _hear(self, news: NodeNews) -> None:
        _log(news.lines)
        self._statuses[news.owner] = {status.id: status for status in news.statuses}
        self._healths[news.node] = news.health
        for one in news.news:
            if isinstance(one, EventMessage):
                self.hub.publish(one)
                self._delivery.wake(self._delivery.audiences())
            elif self._owners.get(one.camera) == news.owner:
                self.hub.publish(_with_node(one, news.node))
        self._parcels.fetch(news.node, news.parcels)

    def _keep_up(self) -> None:
        """Removes what is old, and ends events that nobody else will."""
        self._stopped.wait(PATIENCE)
        self._retention.advance()
        if monotonic() - self._swept >= ORPHANED:
            self._swept = monotonic()
            self._end_orphans()

    def _end_orphans(self) -> None:
        """Ends open events of cameras that are not configured any more and that nobody owns."""
        wanted = set(self.camera_ids())
        opened = [
            (record, part)
            for record, part in self._store.open_records()
            if record.event.camera not in wanted and not self._owners.get(record.event.camera)
        ]
        if opened:
            tracker = Tracker(
                self._store,
                self._delivery.audiences(),
                on_message=self.hub.publish,
                on_parcels=self._delivery.wake,
            )
            tracker.take_up(opened)
            tracker.changed(())

    def _repeat(self, work: Callable[[], None]) -> None:
        while not self._stopped.is_set():
            try:
                work()
            except (ClusterError, StoreError) as error:
                self._complain(str(error))
            except Exception as error:  # the next turn may do better
                logger.error("the cluster can't be looked after", exc_info=error)
                self._complain(f"an error that was not foreseen: {error!r}")

    def _complain(self, problem: str) -> None:
        if self._problem != problem:
            logger.warning("%s", problem)
        self._problem = problem
        self._stopped.wait(LOOK)

    def _specs(self) -> dict[str, CameraSpec]:
        file = self._configured.file_config.cameras
        return {
            camera.id: CameraSpec(
                camera, camera.id in file and file[camera.id].url == camera.config.url
            )
            for camera in self._configured.cameras
        }

    def _nodes(self) -> tuple[NodeStatus, ...]:
        healths = self._healths
        return tuple(
            NodeStatus(
                state.node,
                state.ready,
                state.drained,
                state.cameras,
                state.load,
                healths.get(state.node, NodeHealth()).pool_rows,
                healths.get(state.node, NodeHealth()).swaps,
                healths.get(state.node, NodeHealth()).cameras_fit,
            )
            for state in self._state.nodes
        )

    def _node_of(self, camera: str) -> str:
        """Returns the node that owns a camera and takes what it sends."""
        node = self._owner_of(camera)
        if node is None:
            raise SourceError(f"camera {camera} is watched by no node now: try again in a moment")
        return node

    def _owner_of(self, camera: str) -> str | None:
        """Returns the node that owns a camera, or None while none does."""
        self.camera(camera)
        return self._owners.get(camera, "").partition("#")[0] or None


def _with_node(news: News, node: str) -> News:
    if isinstance(news, StateNews) and news.status is not None:
        return replace(news, status=replace(news.status, node=node))
    return news


def _log(lines: Sequence[logging.LogRecord]) -> None:
    for line in lines:
        logger.handle(line)
