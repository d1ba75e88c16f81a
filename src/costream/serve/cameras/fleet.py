"""All cameras that are wanted, each watched as it was configured last."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic, time

from costream.engine.engine import Engine
from costream.engine.handle import WatchHandle
from costream.engine.reply import Reply, ReplyOptions
from costream.engine.session import Session
from costream.errors import CoStreamError, NoWindowError, UnknownError
from costream.serve.cameras.edge import EdgeReply
from costream.serve.cameras.parts import KEPT_BYTES, OnResult, Parts
from costream.serve.cameras.watcher import Watcher
from costream.serve.config.watched import WatchedCamera
from costream.serve.hub import Hub
from costream.serve.status import CameraStatus, StateNews
from costream.turn import Turn
from costream.video.packet_ring import StoredPacket
from costream.video.reach import Reach

REVIEW_EVERY = 1.0
"""Seconds after which schedules are looked at."""

OnState = Callable[[CameraStatus], None]
"""Told of every change of a camera's state, by a thread of the fleet's."""

logger = logging.getLogger("costream")


def reach_by_origin(camera: WatchedCamera) -> Reach:
    """Returns what a camera's URL may be: anything in the file, the open internet by the API."""
    return "local" if camera.source == "file" else "public"


def local_time() -> datetime:
    """Returns now, by the machine's time zone."""
    return datetime.now().astimezone()


class Fleet:
    """Watches the cameras that are wanted. Any thread may use it.

    One engine answers for all of them, in a thread of its own. Each camera is read by a process of
    its own: what ends one ends no other, and it is started again. ::

        with Fleet(engine, hub, on_result=alert) as fleet:
            fleet.want(cameras)

    Args:
        engine: the engine. Nobody else may use it meanwhile.
        hub: told of previews, windows and states.
        on_result: told of every window that was answered, in order for each camera, by a thread of
            that camera: one that is slow keeps no other camera waiting.
        on_state: told of changes of state, by a thread of the fleet's.
        now: tells the time by the service's time zone, for schedules.
        clock: tells seconds since 1970.
        reach: says what a camera's URL may be.
        kept_bytes: bytes of a camera's bitstream that are kept at most.
    """

    def __init__(
        self,
        engine: Engine,
        hub: Hub,
        *,
        on_result: OnResult,
        on_state: OnState | None = None,
        now: Callable[[], datetime] = local_time,
        clock: Callable[[], float] = time,
        reach: Callable[[WatchedCamera], Reach] = reach_by_origin,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._on_state = on_state
        self._now = now
        self._folder = Path(tempfile.mkdtemp(prefix="costream-"))
        self._news: SimpleQueue[StateNews] = SimpleQueue()
        self._lock = threading.RLock()
        self._session: Session | None = None
        self._closed = threading.Event()
        self._watchers: dict[str, Watcher] = {}
        self._parts = Parts(
            engine.settings,
            self.session,
            hub,
            on_result,
            lambda status: self._news.put(StateNews(status.id, status)),
            reach,
            clock,
            self._folder,
            kept_bytes,
        )
        self._thread = threading.Thread(target=self._run, name="costream-fleet", daemon=True)
        self._thread.start()

    def want(self, cameras: Iterable[WatchedCamera]) -> None:
        """Has these cameras be watched and no others; what goes on as it was is left alone.

        Once it is closed nothing is watched any more.
        """
        moment, wanted = self._now(), {camera.id: camera for camera in cameras}
        with self._lock:
            if self._closed.is_set():
                return
            gone = [self._watchers.pop(id) for id in self._watchers.keys() - wanted.keys()]
            for watcher in gone:
                # At once, as another camera may be given its id before it has ended.
                watcher.remove()
                self._hub.forget(watcher.camera.id)
            for id, camera in wanted.items():
                if id in self._watchers:
                    self._watchers[id].want(camera, moment)
                else:
                    self._watchers[id] = Watcher(camera, self._parts, moment)
        if gone:
            threading.Thread(
                target=self._forget, args=(gone,), name="costream-forget", daemon=True
            ).start()

    def cameras(self) -> list[WatchedCamera]:
        """Returns those that are wanted."""
        with self._lock:
            return [watcher.camera for watcher in self._watchers.values()]

    def statuses(self) -> list[CameraStatus]:
        """Returns how those that are wanted are doing."""
        with self._lock:
            watchers = list(self._watchers.values())
        return [watcher.status() for watcher in watchers]

    def status(self, camera: str) -> CameraStatus:
        """Returns how a camera is doing.

        Raises:
            UnknownError: there is none of this id.
        """
        return self._watcher(camera).status()

    def handle(self, camera: str) -> WatchHandle | None:
        """Returns a camera's handle in the engine's session; None while it is not read.

        Raises:
            UnknownError: there is none of this id.
        """
        return self._watcher(camera).handle

    def inquire(self, camera: str, turns: Sequence[Turn], options: ReplyOptions) -> Reply:
        """Asks about a camera's window in free form: see :meth:`WatchHandle.reply`.

        Raises:
            UnknownError: there is no camera of this id.
            NoWindowError: it is not being read.
            SettingsError: something is wrong with the messages.
        """
        handle = self.handle(camera)
        if handle is None:
            raise NoWindowError(f"camera {camera!r} is not being watched now")
        return handle.reply(turns, options)

    def still(self, camera: str, index: int) -> bytes:
        """Returns a still of a window, as JPEG: see :meth:`Watcher.still`.

        Raises:
            UnknownError: there is no camera of this id.
            ForgottenError: there is no picture of it.
        """
        return self._watcher(camera).still(index)

    def newest_packets(
        self, camera: str, moment: float, number: int | None = None
    ) -> list[StoredPacket]:
        """Returns a camera's newest packets, for clips.

        Args:
            camera: its id.
            moment: on the clock of ``time.monotonic``: they begin with the key frame before it.
            number: instead, those behind the packet of this number.

        Raises:
            UnknownError: there is no camera of this id.
            ForgottenError: it is not being read.
            ChildError: its process died.
        """
        return self._watcher(camera).newest_packets(moment, number)

    def push(self, camera: str, chunks: Iterable[bytes], *, framed: bool = False) -> int:
        """Takes the stream of a camera that sends it itself, until it ends; returns its bytes.

        Args:
            camera: its id; its URL is ``push``.
            chunks: the stream, taken no faster than it is read.
            framed: it comes as records: see :mod:`~costream.serve.cameras.push`.

        Raises:
            UnknownError: there is no camera of this id.
            SettingsError: it is no such camera, is not watched, has a sender already, or was sent
                what is no record.
            SourceError: it is not being read, or is not any more.
        """
        return self._watcher(camera).push(chunks, framed=framed)

    def take_edge(self, camera: str, chunks: Iterable[bytes]) -> EdgeReply:
        """Takes a request of a camera's edge: see :class:`~costream.serve.cameras.edge.EdgePort`.

        Raises:
            UnknownError: there is no camera of this id.
            SettingsError: it is no such camera, or was sent what is no record.
            SupersededError: another edge has taken the place of this one.
            DeliveryError: its last request is still under way.
        """
        return self._watcher(camera).take_edge(chunks)

    def stretch(self, camera: str, seconds: float, patience: float) -> list[StoredPacket]:
        """Returns a camera's newest packets in full, from its edge.

        Raises:
            UnknownError: there is no camera of this id.
            SettingsError: it is no such camera.
            ForgottenError: the edge did not give them.
        """
        return self._watcher(camera).stretch(seconds, patience)

    def session(self) -> Session:
        """Returns the engine's session; begins another one where the engine broke.

        Raises:
            SettingsError: the engine is in use elsewhere.
        """
        with self._lock:
            if self._session is None or self._session.over:
                self._session = self._engine.session()
            return self._session

    def close(self) -> None:
        """Ends all watches and waits until nothing is left of them."""
        self._closed.set()
        with self._lock:
            watchers, self._watchers = list(self._watchers.values()), {}
        for watcher in watchers:
            watcher.remove()
        for watcher in watchers:
            watcher.join()
        self._thread.join()
        if self._session is not None:
            self._session.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _watcher(self, camera: str) -> Watcher:
        with self._lock:
            found = self._watchers.get(camera)
        if found is None:
            raise UnknownError(f"there is no camera {camera}")
        return found

    def _forget(self, gone: Iterable[Watcher]) -> None:
        for watcher in gone:
            watcher.join()
            id = watcher.camera.id
            with self._lock:
                if id not in self._watchers:
                    self._news.put(StateNews(id, None))

    def _run(self) -> None:
        """Passes states on, and looks at schedules."""
        reviewed = monotonic()
        while not self._closed.is_set():
            with suppress(Empty):
                self._pass_on(self._news.get(timeout=REVIEW_EVERY))
            if monotonic() - reviewed >= REVIEW_EVERY:
                reviewed = monotonic()
                self._review()

    def _pass_on(self, news: StateNews) -> None:
        try:
            self._hub.publish(news)
            if self._on_state is not None and news.status is not None:
                self._on_state(news.status)
        except Exception as error:  # whoever is told must not end the fleet
            logger.warning("a state of camera %s could not be dealt with: %r", news.camera, error)

    def _review(self) -> None:
        with self._lock:
            watchers = list(self._watchers.values())
        for watcher in watchers:
            try:
                watcher.review(self._now())
            except CoStreamError as error:
                logger.warning("camera %s: %s", watcher.camera.id, error)
            except Exception as error:  # this camera's alone
                logger.warning("camera %s can't be reviewed: %r", watcher.camera.id, error)
