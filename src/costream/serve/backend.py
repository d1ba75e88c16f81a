"""What the API may ask of the service: the one seam between HTTP and everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from costream.serve.cameras.edge import EdgeReply
from costream.serve.config.model import CameraConfig, QuestionConfig, ServiceConfig
from costream.serve.config.watched import WatchedCamera
from costream.serve.events.event import Event
from costream.serve.hub import Hub
from costream.serve.status import CameraStatus


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events are wanted, the newest first.

    Attributes:
        cameras: of these; of all where empty.
        questions: of these; of all where empty.
        after: that end after this moment or last, seconds since 1970.
        before: that began before this moment.
        active: those that last, or those that are over; both where None.
        min_score: that reached this score.
        cursor: what an earlier page gave as ``next``.
        limit: most events of a page.
    """

    cameras: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    after: float | None = None
    before: float | None = None
    active: bool | None = None
    min_score: float | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events and where to go on; ``next`` is None on the last page."""

    events: tuple[Event, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How a sink is doing.

    Attributes:
        name: its name.
        type: webhook, mqtt or command.
        waiting: messages that are not delivered yet.
        delivered: messages that were, since the service began.
        failed: attempts that failed, likewise.
        rejected: messages that never will be, likewise.
        error: what the last attempt failed with, secrets masked; None where it did not.
    """

    name: str
    type: str
    waiting: int
    delivered: int
    failed: int
    rejected: int
    error: str | None


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How a node of a cluster is doing.

    Attributes:
        name: its name.
        ready: whether its model is loaded.
        drained: whether it is to have no cameras.
        cameras: that it owns.
        load: how full it is with them; beyond 1 they are too many.
        pool_rows: see :class:`Health`.
        swaps: likewise.
        cameras_fit: likewise.
    """

    name: str
    ready: bool
    drained: bool
    cameras: int
    load: float
    pool_rows: tuple[int, int | None] = (0, None)
    swaps: int = 0
    cameras_fit: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How the service is doing.

    Attributes:
        ready: whether the model is loaded and the store can be written.
        problems: in sentences, what is wrong; the service may serve all the same.
        started: when it began, seconds since 1970.
        model: the model's name.
        settings: window, stride and fps of the engine, and others.
        pool_rows: rows of the KV pool that are taken, and that there are (None: as many as needed).
        swaps: streams that made room for others so far.
        cameras_fit: how many cameras like these this machine carries, by what they cost now; None
            while unknown.
        version: of CoStream.
        nodes: of a cluster; the figures above are sums over them. None on one machine.
    """

    ready: bool
    problems: tuple[str, ...]
    started: float
    model: str
    settings: Mapping[str, Any]
    pool_rows: tuple[int, int | None]
    swaps: int
    cameras_fit: float | None
    version: str
    nodes: tuple[NodeStatus, ...] = ()


class Backend(Protocol):
    """The service as the API sees it. All methods may block for a moment: call them in a thread.

    Methods that are given a name of what there is not raise ``UnknownError``; those that are given
    what can't be done raise ``SettingsError`` or another ``CoStreamError``, in a sentence that may
    be shown. Secrets are masked in all that is returned.
    """

    hub: Hub

    def config(self) -> ServiceConfig: ...
    def health(self) -> Health: ...
    def sinks(self) -> Sequence[SinkStatus]: ...

    def cameras(self) -> Sequence[WatchedCamera]: ...
    def camera(self, id: str) -> WatchedCamera: ...
    def status(self, id: str) -> CameraStatus: ...
    def add_camera(self, id: str, config: CameraConfig) -> WatchedCamera: ...
    def change_camera(self, id: str, changes: Mapping[str, Any]) -> WatchedCamera: ...
    def pause_camera(self, id: str, paused: bool) -> WatchedCamera: ...
    def remove_camera(self, id: str) -> None: ...

    def questions(self) -> Mapping[str, QuestionConfig]: ...
    def put_question(self, id: str, config: QuestionConfig) -> None: ...
    def remove_question(self, id: str) -> None: ...
    def reload(self) -> Sequence[str]:
        """Reads the file again; returns in sentences what changed."""
        ...

    def events(self, query: EventQuery) -> EventPage: ...
    def event(self, id: str) -> Event: ...
    def event_curve(self, id: str) -> Sequence[tuple[float, float]]:
        """Returns the scores of an event: (seconds since 1970, score)."""
        ...

    def event_still(self, id: str) -> Path: ...
    def event_clip(self, id: str) -> Path: ...
    def remove_event(self, id: str) -> None: ...
    def still(self, camera: str) -> bytes:
        """Returns the camera's last sampled frame as JPEG."""
        ...

    def push(self, camera: str, chunks: Iterator[bytes], *, framed: bool = False) -> int:
        """Takes a camera's own stream (MPEG-TS or fragmented MP4) until it ends: bytes taken.

        Args:
            camera: its id.
            chunks: the stream.
            framed: it comes as records, with gaps and heartbeats between them.
        """
        ...

    def take_edge(self, camera: str, chunks: Iterator[bytes]) -> EdgeReply:
        """Takes a request of a camera's edge, a body of records."""
        ...

    def recording(self, camera: str, seconds: float) -> bytes:
        """Returns a camera's newest seconds in full, from its edge: MP4 or Matroska.

        Args:
            camera: its id.
            seconds: how far back, from the key frame before.
        """
        ...
