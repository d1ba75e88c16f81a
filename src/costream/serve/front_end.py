"""What every service has, wherever its cameras are watched: configuration, events, sinks."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic, time
from typing import Any

from costream.errors import UnknownError
from costream.serve.backend import EventPage, EventQuery, Health, SinkStatus
from costream.serve.cameras.edge import EdgeReply
from costream.serve.config.engine_check import unfit_for
from costream.serve.config.model import CameraConfig, QuestionConfig, ServiceConfig
from costream.serve.config.watched import WatchedCamera
from costream.serve.configured import Configured
from costream.serve.events.event import Event
from costream.serve.hub import Hub
from costream.serve.sinks.outlet import Outlet, make_outlet
from costream.serve.status import CameraStatus
from costream.serve.store.store import Store
from costream.settings import EngineSettings


class FrontEnd(ABC):
    """The part of a service that the API talks to. Any thread may use it.

    Args:
        config: what the file says.
        settings: the engine's.
        file: the configuration's file, which :meth:`reload` reads again, if it is one's.

    Attributes:
        hub: told of all news.
        settings: the engine's.
        folder: the data folder.
        max_upload: bytes of the largest video that is taken.

    Raises:
        CoStreamError: the store can't be opened.
    """

    def __init__(
        self, config: ServiceConfig, settings: EngineSettings, *, file: Path | None = None
    ) -> None:
        self.hub = Hub()
        self.settings = settings
        self.folder = Path(config.data)
        self.max_upload = config.server.max_upload
        self._begun = monotonic()
        self._store = Store.open(config.store, self.folder)
        self._configured = Configured(config, self._store, file, self._on_change)
        self._unfit = unfit_for(self._configured.config)
        self._reloading = threading.Lock()

    @property
    @abstractmethod
    def is_alive(self) -> bool:
        """Whether it makes its way."""

    @abstractmethod
    def start(self) -> None:
        """Begins to deliver what waits, and to have cameras be watched.

        Raises:
            CoStreamError: what is needed for that is not there.
        """

    @abstractmethod
    def stop(self) -> None:
        """Ends all watches; events that go on are taken up by the next start."""

    @abstractmethod
    def health(self) -> Health:
        """Returns how the service is doing."""

    @abstractmethod
    def status(self, id: str) -> CameraStatus:
        """Returns how a camera is doing."""

    @abstractmethod
    def push(self, camera: str, chunks: Iterator[bytes], *, framed: bool = False) -> int:
        """Takes a camera's own stream until it ends; returns its bytes."""

    @abstractmethod
    def take_edge(self, camera: str, chunks: Iterator[bytes]) -> EdgeReply:
        """Takes a request of a camera's edge."""

    @abstractmethod
    def recording(self, camera: str, seconds: float) -> bytes:
        """Returns a camera's newest seconds in full, from its edge: MP4 or Matroska."""

    @abstractmethod
    def sinks(self) -> Sequence[SinkStatus]:
        """Returns how each sink is doing."""

    @abstractmethod
    def _change_sinks(self, changed: Mapping[str, Outlet | None]) -> None:
        """Puts sinks in the place of those of the same names; None for one that is gone."""

    @abstractmethod
    def _want(self, cameras: tuple[WatchedCamera, ...]) -> None:
        """Has these cameras be watched, and no others."""

    @property
    def model(self) -> str:
        """The model's name."""
        return self._configured.file_config.model

    @property
    def shown_settings(self) -> dict[str, Any]:
        """The engine's settings that are shown."""
        shown = ("fps", "window", "stride", "pruner", "refresh", "hold")
        return {name: getattr(self.settings, name) for name in shown}

    def config(self) -> ServiceConfig:
        """Returns the file's configuration with the changes."""
        return self._configured.config

    def cameras(self) -> Sequence[WatchedCamera]:
        """Returns all cameras, paused ones as well."""
        return self._configured.cameras

    def camera(self, id: str) -> WatchedCamera:
        """Returns a camera."""
        for camera in self._configured.cameras:
            if camera.id == id:
                return camera
        raise UnknownError(f"there is no camera {id!r}")

    def camera_ids(self) -> Sequence[str]:
        """Returns the ids of all cameras."""
        return [camera.id for camera in self._configured.cameras]

    def add_camera(self, id: str, config: CameraConfig) -> WatchedCamera:
        """Adds a camera and begins to watch it."""
        self._configured.change(lambda file, overlay: overlay.with_camera(file, id, config))
        return self.camera(id)

    def change_camera(self, id: str, changes: Mapping[str, Any]) -> WatchedCamera:
        """Changes fields of a camera."""
        self._configured.change(lambda file, overlay: overlay.with_changes(file, id, changes))
        return self.camera(id)

    def pause_camera(self, id: str, paused: bool) -> WatchedCamera:
        """Pauses a camera or goes on with it."""
        self._configured.change(lambda file, overlay: overlay.with_paused(file, id, paused))
        return self.camera(id)

    def remove_camera(self, id: str) -> None:
        """Removes a camera; its events stay."""
        self._configured.change(lambda file, overlay: overlay.without_camera(file, id))

    def questions(self) -> Mapping[str, QuestionConfig]:
        """Returns all questions by name."""
        return self._configured.config.questions

    def put_question(self, id: str, config: QuestionConfig) -> None:
        """Adds a question, or puts it in another's place."""
        self._configured.change(lambda file, overlay: overlay.with_question(file, id, config))

    def remove_question(self, id: str) -> None:
        """Removes a question."""
        self._configured.change(lambda file, overlay: overlay.without_question(file, id))

    def reload(self) -> Sequence[str]:
        """Reads the file again; returns in sentences what changed."""
        with self._reloading:
            sentences, outlets = self._configured.reload(self._outlets)
            self._change_sinks(outlets)
        return sentences

    def events(self, query: EventQuery) -> EventPage:
        """Returns events, the newest first."""
        return self._store.query(query)

    def event(self, id: str) -> Event:
        """Returns an event."""
        return self._store.event(id)

    def event_curve(self, id: str) -> Sequence[tuple[float, float]]:
        """Returns the scores of an event."""
        return self._store.curve(id)

    def event_still(self, id: str) -> Path:
        """Returns the file of an event's still."""
        return self._store_still(id)

    def event_clip(self, id: str) -> Path:
        """Returns the file of an event's clip."""
        return self._store.file(id, "clip")

    def remove_event(self, id: str) -> None:
        """Removes an event with its still and clip."""
        self._store.remove(id)

    def still(self, camera: str) -> bytes:
        """Returns a camera's last sampled frame as JPEG."""
        self.camera(camera)
        preview = self.hub.preview(camera)
        if preview is None:
            raise UnknownError(f"there is no picture of camera {camera!r} yet")
        return preview.jpeg

    @property
    def _started(self) -> float:
        """When it began, seconds since 1970 by the clock as it is set now, to milliseconds."""
        return round(time() - (monotonic() - self._begun), 3)

    def _on_change(self, cameras: tuple[WatchedCamera, ...]) -> None:
        self._unfit = unfit_for(self._configured.config)
        self._want(cameras)
        self.hub.keep(
            {(camera.id, question.id) for camera in cameras for question in camera.questions}
        )

    def _outlets_of(self, config: ServiceConfig) -> dict[str, Outlet]:
        return {name: make_outlet(sink, self._store_still) for name, sink in config.sinks.items()}

    def _outlets(self, config: ServiceConfig, sinks: Sequence[str]) -> dict[str, Outlet | None]:
        """Returns the sinks of these names, None for one that the configuration does not have."""
        configured = {name: config.sinks.get(name) for name in sinks}
        return {
            name: None if sink is None else make_outlet(sink, self._store_still)
            for name, sink in configured.items()
        }

    def _store_still(self, id: str) -> Path:
        return self._store.file(id, "still")
