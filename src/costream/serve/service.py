"""The service: its parts, put together, as the API sees them."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

import costream
from costream.engine.reply import Reply, ReplyOptions
from costream.errors import NoWindowError
from costream.serve.api.camera_url import camera_reach
from costream.serve.backend import Health, SinkStatus
from costream.serve.cameras.clip import clip_of
from costream.serve.cameras.edge import STRETCH_WITHIN, EdgeReply
from costream.serve.cameras.media import MediaFolder
from costream.serve.config.clock import service_zone
from costream.serve.config.model import ServiceConfig
from costream.serve.config.watched import WatchedCamera
from costream.serve.events.alerts import Alerts
from costream.serve.front_end import FrontEnd
from costream.serve.health import cameras_fit, is_stuck
from costream.serve.reporter import Reporter
from costream.serve.sinks.outlet import Outlet
from costream.serve.status import CameraStatus
from costream.settings import EngineSettings
from costream.turn import Turn
from costream.video.reach import Reach

if TYPE_CHECKING:
    from costream.engine.engine import Engine
    from costream.engine.session import Session
    from costream.serve.cameras.fleet import Fleet

Load = Callable[[], "Engine"]
"""Loads the model, which takes a while."""

Part = TypeVar("Part")

logger = logging.getLogger("costream")


class Service(FrontEnd):
    """Watches cameras, makes events of what the model says of them, and tells whoever is to know.

    The model is loaded in a thread while the API answers already. Any thread may use it.

    Args:
        config: what the file says.
        settings: the engine's.
        load: loads the engine.
        file: the configuration's file, which :meth:`reload` reads again, if it is one's.
        on_failure: told when the model can't be loaded.

    Raises:
        CoStreamError: the store can't be opened, or a sink can't be used as configured.
    """

    def __init__(
        self,
        config: ServiceConfig,
        settings: EngineSettings,
        load: Load,
        *,
        file: Path | None = None,
        on_failure: Callable[[Exception], None],
    ) -> None:
        super().__init__(config, settings, file=file)
        self._load = load
        self._on_failure = on_failure
        self._zone = service_zone(config.timezone)
        outlets = self._outlets_of(config)
        self._alerts = Alerts(self._store, outlets, on_message=self.hub.publish)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._fleet: Fleet | None = None
        self._engine: Engine | None = None
        self._reporter: Reporter | None = None
        self._loading = threading.Thread(target=self._begin, name="costream-load", daemon=True)

    def start(self) -> None:
        """Begins to deliver what waits, to load the model and then to watch.

        Raises:
            StoreError: the store can't be read.
        """
        self._alerts.start()
        self._alerts.changed(self._configured.cameras)
        for sentence in self._configured.left_out:
            logger.warning("%s", sentence)
        self._loading.start()

    def stop(self) -> None:
        """Ends all watches; events that go on are taken up by the next start.

        A model that is still being loaded is not waited for.
        """
        with self._lock:
            self._stopped.set()
        if self._fleet is not None:
            self._fleet.close()
        if self._reporter is not None:
            self._reporter.close()
        self._alerts.stop()
        self._store.close()

    @property
    def is_alive(self) -> bool:
        """Whether the engine makes its way."""
        return not is_stuck(self._statuses(), self.settings.stride)

    def _begin(self) -> None:
        """Loads the model and begins to watch."""
        begun = monotonic()
        try:
            engine = self._load()
            logger.info("%s is loaded, after %.1f s", self.model, monotonic() - begun)
            self._watch(engine)
        except Exception as error:  # told to whoever runs the service
            self._on_failure(error)

    def _watch(self, engine: Engine) -> None:
        """Begins to watch, unless the service has been stopped meanwhile."""
        from costream.serve.cameras.fleet import Fleet

        if self._stopped.is_set():
            return
        media = MediaFolder(self.folder / "media")
        self._reporter = Reporter(
            self._alerts,
            media,
            lambda: self.fleet,
            self._describe,
            self.settings.window,
            self.settings.stride,
        )
        self._reporter.recover()
        with self._lock:
            if self._stopped.is_set():
                return
            self._engine = engine
            self._fleet = Fleet(
                engine,
                self.hub,
                on_result=self._reporter.on_result,
                on_state=self._reporter.on_state,
                now=lambda: datetime.now(self._zone),
                reach=self._reach,
            )
        wanted = None
        while wanted is not self._configured.cameras:  # the API may change them meanwhile
            wanted = self._configured.cameras
            self._fleet.want(wanted)

    def _want(self, cameras: tuple[WatchedCamera, ...]) -> None:
        self._alerts.changed(cameras)
        if self._fleet is not None:
            self._fleet.want(cameras)

    def _change_sinks(self, changed: Mapping[str, Outlet | None]) -> None:
        self._alerts.change_sinks(changed)

    def _reach(self, camera: WatchedCamera) -> Reach:
        """Returns what a camera's URL may be: checked each time, since names lead elsewhere."""
        file = self._configured.file_config
        return camera_reach(camera, file.cameras.get(camera.id), file.server)

    def _describe(self, camera: str, ask: str) -> str | None:
        from costream.serve.describe import describe

        handle = self.fleet.handle(camera)
        return None if handle is None else describe(handle, ask, model=self.model)

    # What the API asks.

    def health(self) -> Health:
        """Returns how the service is doing."""
        statuses = self._statuses()
        engine, store = self._engine, self._store.problems()
        clips = None if self._reporter is None else self._reporter.clips.problem
        problems = self._alerts.problems()
        problems += [problem for problem in (clips, self._unfit) if problem is not None]
        if engine is None:
            problems.append("The model is being loaded.")
        pool = None if engine is None else engine.runner.pool
        return Health(
            ready=self._fleet is not None and not store,
            problems=tuple(problems),
            started=self._started,
            model=self.model,
            settings=self.shown_settings,
            pool_rows=(0, None) if pool is None else (pool.used, pool.limit),
            swaps=0 if engine is None else engine.swaps,
            cameras_fit=cameras_fit(statuses, self.settings.stride, len(os.sched_getaffinity(0))),
            version=costream.__version__,
        )

    def sinks(self) -> Sequence[SinkStatus]:
        """Returns how each sink is doing."""
        return self._alerts.sinks()

    def status(self, id: str) -> CameraStatus:
        """Returns how a camera is doing."""
        camera = self.camera(id)
        if self._fleet is None:
            return CameraStatus(id, "paused" if camera.paused else "starting", self._started)
        return self._fleet.status(id)

    def push(self, camera: str, chunks: Iterator[bytes], *, framed: bool = False) -> int:
        """Takes a camera's own stream until it ends; returns its bytes."""
        self.camera(camera)
        return self.fleet.push(camera, chunks, framed=framed)

    def take_edge(self, camera: str, chunks: Iterator[bytes]) -> EdgeReply:
        """Takes a request of a camera's edge."""
        self.camera(camera)
        return self.fleet.take_edge(camera, chunks)

    def recording(self, camera: str, seconds: float) -> bytes:
        """Returns a camera's newest seconds in full, from its edge: MP4 or Matroska."""
        self.camera(camera)
        return clip_of(self.fleet.stretch(camera, seconds, STRETCH_WITHIN))

    # What is asked in free form.

    @property
    def engine(self) -> Engine:
        """The engine.

        Raises:
            NoWindowError: the model is still being loaded.
        """
        return _loaded(self._engine)

    @property
    def fleet(self) -> Fleet:
        """The cameras as they are watched.

        Raises:
            NoWindowError: the model is still being loaded.
        """
        return _loaded(self._fleet)

    @property
    def session(self) -> Session:
        """The engine's session."""
        return self.fleet.session()

    def inquire(self, camera: str, turns: Sequence[Turn], options: ReplyOptions) -> Reply:
        """Asks about a camera's window."""
        return self.fleet.inquire(self.camera(camera).id, turns, options)

    def _statuses(self) -> list[CameraStatus]:
        return [] if self._fleet is None else self._fleet.statuses()


def _loaded(part: Part | None) -> Part:
    """Returns a part of the service that is there once the model is loaded."""
    if part is None:
        raise NoWindowError("the model is being loaded: try again in a moment")
    return part
