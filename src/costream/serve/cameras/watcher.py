"""One camera under watch: its process, its questions, and what becomes of both."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from time import monotonic

import numpy as np
import numpy.typing as npt

from costream.engine.handle import WatchHandle
from costream.engine.ingest import WindowOutline
from costream.engine.ingest_process import IngestProcess
from costream.engine.result import Result
from costream.engine.source_news import SourceCounts, SourceListener
from costream.errors import CoStreamError, ForgottenError, SettingsError, UnknownError
from costream.pruning import PRUNERS
from costream.serve.cameras.asking import Asking, asks_of
from costream.serve.cameras.connect import CameraConnect
from costream.serve.cameras.due import Idle, due_questions
from costream.serve.cameras.edge import EdgeConnect, EdgePort, EdgeReply
from costream.serve.cameras.media import draw_still
from costream.serve.cameras.parts import Parts
from costream.serve.cameras.push import PushPort
from costream.serve.cameras.reading import as_read, view_of
from costream.serve.cameras.tally import Tally
from costream.serve.config.model import EDGE, PUSH
from costream.serve.config.watched import WatchedCamera
from costream.serve.status import CameraState, CameraStatus, Preview, Score, WindowNews
from costream.video import DeferredSource, Gap
from costream.video.naming import masked
from costream.video.packet_ring import RingLimits, StoredPacket
from costream.video.thumbnail import Thumbnail, ThumbnailRecipe

LEAVE = 60.0
"""Seconds to wait for the engine to let go of a camera."""

SHORTEST, LONGEST = 1.0, 60.0
"""Seconds before a camera that failed is tried again: at first, and at most."""

STEADY = 30.0
"""Seconds of reading after which an earlier failure is forgotten."""

RECENT = 16
"""Windows that stills can be had of."""

_PORTS: dict[str, type] = {PUSH: PushPort, EDGE: EdgePort}

logger = logging.getLogger("costream")


class Watcher:
    """Watches one camera, in a thread of its own, for as long as it is wanted.

    A process reads the camera. When that ends, for whatever reason, it is started again, after
    delays that grow.

    Args:
        camera: the camera.
        parts: what it shares with others.
        moment: now, by the clock of the service's time zone.
    """

    def __init__(self, camera: WatchedCamera, parts: Parts, moment: datetime) -> None:
        self._parts = parts
        self._camera = camera
        self._lock = threading.RLock()
        self._changed = threading.Event()
        self._asking = Asking()
        self._idle: Idle | None = None
        self._removed = self._resized = self._ended = False
        self._failed = False
        self._delay = SHORTEST
        self._start_number = 0
        self._read_as: WatchedCamera | None = None
        self._handle: WatchHandle | None = None
        self._stream: IngestProcess | None = None
        self._size: tuple[int, int] | None = None
        self._outlines: deque[WindowOutline] = deque()
        self._recent: deque[WindowOutline] = deque(maxlen=RECENT)
        self._received: float | None = None
        self._kept: npt.NDArray[np.float32] = np.zeros((1, 1), np.float32)
        self._tally = Tally(camera.id, masked(camera.config.url), parts.clock)
        self._port: PushPort | EdgePort | None = None
        parts.tell(self._tally.status())
        self.review(moment)
        self._thread = threading.Thread(
            target=self._run, name=f"costream-camera-{camera.id}", daemon=True
        )
        self._thread.start()

    @property
    def camera(self) -> WatchedCamera:
        """The camera as it is wanted now."""
        return self._camera

    @property
    def handle(self) -> WatchHandle | None:
        """Its handle in the engine's session, while it is read."""
        return self._handle

    def status(self) -> CameraStatus:
        """Returns how it is doing."""
        handle = self._handle
        self._tally.queue(0 if handle is None else handle.waiting)
        return self._tally.status()

    def want(self, camera: WatchedCamera, moment: datetime) -> None:
        """Has it watched as it is said now; it is read anew only where that is needed."""
        with self._lock:
            if as_read(camera) != as_read(self._camera):
                self._changed.set()
            other, self._camera = camera != self._camera, camera
        self._tally.rename(masked(camera.config.url))
        if other:
            self._parts.tell(self._tally.status())
        self.review(moment)

    def review(self, moment: datetime) -> None:
        """Makes what is asked right for a moment.

        Raises:
            SettingsError: a question can't be asked.
        """
        with self._lock:
            idle, questions = due_questions(self._camera, moment)
            if idle != self._idle:
                self._idle = idle
                self._changed.set()
            other = self._asking.change(questions)
            if self._handle is None:
                return
            if self._is_over():
                self._handle.cancel()
            elif other:
                self._handle.ask(asks_of(questions))

    def remove(self) -> None:
        """Ends it, soon; the hub is told no more of it."""
        with self._lock:
            self._removed = True
            if self._handle is not None:
                self._handle.cancel()
        self._changed.set()

    def join(self) -> None:
        """Waits until its process, thread and rows are gone; :meth:`remove` it before.

        Whoever is told of a window and does not return is not waited for for ever.
        """
        self._thread.join(2 * LEAVE)

    def push(self, chunks: Iterable[bytes], *, framed: bool) -> int:
        """Takes what the camera sends: see :meth:`PushPort.take`.

        Raises:
            UnknownError: it was removed.
            SettingsError: it is no such camera, is not watched, or has a sender already.
            SourceError: it is not being read.
        """
        with self._lock:
            port = self._port_to_send_to()
            if not isinstance(port, PushPort):
                raise SettingsError(
                    f"camera {self._camera.id} is read from its URL: set that to push to send to it"
                )
            if self._idle is not None:
                raise SettingsError(f"camera {self._camera.id} is not watched now: resume it first")
        return port.take(chunks, framed=framed)

    def take_edge(self, chunks: Iterable[bytes]) -> EdgeReply:
        """Takes a request of the camera's edge: see :meth:`EdgePort.take`.

        Raises:
            UnknownError: it was removed.
            SettingsError: it is no such camera, or was sent what is no record.
            SupersededError: another edge has taken the place of this one.
            DeliveryError: its last request is still under way.
        """
        return self._edge_port().take(chunks)

    def stretch(self, seconds: float, patience: float) -> list[StoredPacket]:
        """Returns the newest packets in full, from the camera's edge: see :meth:`EdgePort.stretch`.

        Raises:
            UnknownError: it was removed.
            SettingsError: it is no such camera.
            ForgottenError: the edge did not give them.
        """
        return self._edge_port().stretch(seconds, patience)

    def _edge_port(self) -> EdgePort:
        port = self._port_to_send_to()
        if not isinstance(port, EdgePort):
            raise SettingsError(
                f"camera {self._camera.id} is not read by an edge: set its url to edge first"
            )
        return port

    def still(self, index: int) -> bytes:
        """Returns a still of a window: its frame of which most was kept, as JPEG.

        What can't be decoded again, such as behind damage, is shown as the last preview shows it.

        Args:
            index: the window's number.

        Raises:
            ForgottenError: there is no picture of it.
        """
        outline = next((one for one in reversed(self._recent) if one.index == index), None)
        stream = self._stream
        try:
            if outline is None or not outline.frames or stream is None:
                raise ForgottenError(f"window {index} is not kept any more")
            pruned = [one for one in outline.frames if one.keep.anchor is None]
            frame = max(pruned or outline.frames, key=lambda one: one.keep.kept)
            (found,) = stream.frames_of(frame.ticks[1], frame.ticks[1] + 1)
        except CoStreamError as error:
            preview = self._parts.hub.preview(self._camera.id)
            if preview is None:
                raise ForgottenError(
                    f"there is no picture of camera {self._camera.id} by now"
                ) from error
            return preview.jpeg
        return draw_still(found.pixels, frame.keep.groups, self._camera.masks)

    def newest_packets(self, moment: float, number: int | None) -> list[StoredPacket]:
        """Returns its newest packets: see :meth:`IngestProcess.newest_packets`.

        Raises:
            ForgottenError: it is not being read.
        """
        stream = self._stream
        if stream is None:
            raise ForgottenError(f"camera {self._camera.id} is not being read")
        return stream.newest_packets(moment, number)

    def _run(self) -> None:
        while not self._removed:
            idle = self._idle
            if idle is not None:
                self._enter(idle)
                self._await(None)
                continue
            begun = monotonic()
            error = self._watch()
            self._failed = error is not None
            if monotonic() - begun > STEADY:
                self._delay = SHORTEST
            if error is not None:
                self._enter("failed", error)
            elif self._ended:
                self._enter("resting", "it has ended: set loop to have it begin again")
                self._await(None)
            if error is not None or self._resized:
                self._await(self._delay)
                self._delay = min(2 * self._delay, LONGEST)
        with self._lock:
            if self._port is not None:
                self._port.close()

    def _await(self, seconds: float | None) -> None:
        """Waits for a change, or for a time."""
        if not self._removed:
            self._changed.wait(seconds)
        self._changed.clear()

    def _watch(self) -> str | None:
        """Reads the camera until it is wanted no more, or otherwise; returns what went wrong."""
        if not self._failed:
            self._enter("starting", self._awaited())
        try:
            stream = self._start()
            try:
                self._follow(stream)
            finally:
                self._leave(stream)
        except (CoStreamError, OSError) as error:
            return str(error)
        except Exception as error:  # this camera's alone
            logger.error("camera %s failed", self._camera.id, exc_info=error)
            return f"an error that was not foreseen: {error!r}"
        return None

    def _start(self) -> IngestProcess:
        """Starts the process."""
        with self._lock:
            camera = self._read_as = self._camera
            self._resized = self._ended = False
            self._size = self._received = None
            self._start_number += 1
            number = self._start_number
            self._outlines.clear()
            self._recent.clear()
            self._changed.clear()
        settings = self._parts.settings
        source = DeferredSource(
            self._connection(camera),
            patience=math.inf,
            backlog=2 * settings.stride,
            keep=RingLimits(self._parts.kept_seconds(camera), self._parts.kept_bytes),
        )
        listener = SourceListener(
            partial(self._preview, number),
            partial(self._count, number),
            ThumbnailRecipe(masks=tuple(camera.masks)),
        )
        return IngestProcess.of(source, listener)

    def _connection(self, camera: WatchedCamera) -> EdgeConnect | CameraConnect:
        """Returns what connects to the camera, in its process."""
        vectors, port = PRUNERS[self._parts.settings.pruner].vectors, self._opened_port()
        if not isinstance(port, EdgePort):
            path = None if port is None else port.path
            reach = self._parts.reach(camera)
            return CameraConnect(camera.config, camera.id, vectors, reach, path)
        if vectors:
            raise SettingsError(
                f"the pruner {self._parts.settings.pruner} looks at motion, of which an edge sends "
                "nothing: choose last-kept"
            )
        return EdgeConnect(port.path, camera.id)

    def _port_to_send_to(self) -> PushPort | EdgePort | None:
        """Returns where the camera is sent to: none is opened once it was removed.

        Raises:
            UnknownError: it was removed.
        """
        with self._lock:
            if self._removed:
                raise UnknownError(f"there is no camera {self._camera.id}")
            return self._opened_port()

    def _opened_port(self) -> PushPort | EdgePort | None:
        """Returns where the camera is sent to, of one that is."""
        with self._lock:
            config, kind = self._camera.config, type(self._port)
            if self._port is not None and _PORTS.get(config.url) is not kind:
                self._port.close()
                self._port = None
            if self._port is None and config.url == PUSH:
                self._port = PushPort(self._parts.folder, self._camera.id)
            elif self._port is None and config.url == EDGE:
                self._port = EdgePort(
                    self._parts.folder,
                    self._camera.id,
                    self._parts.settings.fps,
                    lambda: self._camera.config.timeout,
                    self._edge_silent,
                )
            return self._port

    def _follow(self, stream: IngestProcess) -> None:
        session = self._parts.session()
        with self._lock:
            self._stream = stream
            if self._is_over() or self._idle is not None or self._removed:
                return
            handle = self._handle = session.add(
                stream,
                asks_of(self._asking.questions),
                view=view_of(self._camera),
                on_gap=self._gap,
                on_window=self._outlines.append,
                on_audit=self._tally.audit,
            )
        for result in handle:
            self._take(result)
        self._ended = not handle.cancelled

    def _leave(self, stream: IngestProcess) -> None:
        with self._lock:
            handle, self._handle, self._stream = self._handle, None, None
            self._start_number += 1
        if handle is not None:
            handle.cancel()
            handle.wait(LEAVE)
        stream.close()
        self._tally.restart()
        self._tally.leave()

    def _is_over(self) -> bool:
        """Whether it is not to be read any further as it is being read."""
        read_as = self._read_as
        other = read_as is not None and as_read(read_as) != as_read(self._camera)
        return other or self._idle is not None or self._removed

    def _take(self, result: Result) -> None:
        outlines = []
        while self._outlines and self._outlines[0].index <= result.index:
            outlines.append(self._outlines.popleft())
        self._recent.extend(outlines)
        camera, news = self._camera, self._news(result, outlines)
        self._tally.window(result, outlines, news)
        with self._lock:
            if not self._removed:
                self._parts.hub.publish(news)
        try:
            self._parts.on_result(camera, result, news)
        except Exception as error:  # whoever is told must not end the watch
            logger.warning("a window of camera %s could not be dealt with: %r", camera.id, error)

    def _news(self, result: Result, outlines: Sequence[WindowOutline]) -> WindowNews:
        arrivals = [outline.received for outline in outlines if outline.received is not None]
        self._received = arrivals[-1] if arrivals else self._received
        now = monotonic()
        received = now if self._received is None else self._received
        at = self._parts.clock() - (now - received)
        groups = [frame.keep.groups for outline in outlines for frame in outline.frames]
        if groups:
            self._kept = np.mean(groups, axis=0, dtype=np.float32)
        scores = tuple(
            Score(
                question.id,
                at,
                None if math.isnan(answer.score) else answer.score,
                answer.threshold if question.rule.threshold is None else question.rule.threshold,
            )
            for question, answer in self._asking.answered(result)
        )
        return WindowNews(
            self._camera.id, result.index, at, scores, self._kept, result.lag, received
        )

    def _preview(self, number: int, thumbnail: Thumbnail) -> None:
        if number != self._start_number:
            return
        at = self._parts.clock() - (monotonic() - thumbnail.received)
        size = thumbnail.width, thumbnail.height
        self._tally.frame(at, size)
        preview = Preview(self._camera.id, at, thumbnail.tick, thumbnail.jpeg, thumbnail.motion)
        with self._lock:
            if self._removed:
                return
            self._parts.hub.publish(preview)
        if self._tally.status().state != "watching":
            self._enter("watching")
        if self._size is not None and size != self._size:
            self._resize(size)

    def _resize(self, size: tuple[int, int]) -> None:
        """Has the camera be read anew: its pictures are cut otherwise from now on."""
        with self._lock:
            if self._resized or self._handle is None:
                return
            self._resized = True
            logger.info(
                "camera %s sends pictures of %d x %d now: its windows begin again",
                self._camera.id,
                *size,
            )
            self._handle.cancel()

    def _count(self, number: int, counts: SourceCounts) -> None:
        if number != self._start_number:
            return
        self._tally.count(counts)
        if counts.info is not None and self._size is None:
            self._size = counts.info.width, counts.info.height
        if counts.failure is not None and self._tally.status().state == "starting":
            self._enter("starting", counts.failure)

    def _gap(self, gap: Gap) -> None:
        if gap.kind == "lost":
            # An edge that has lost the camera is there itself.
            awaited = None if self._camera.config.url == EDGE else self._awaited()
            causes = [cause for cause in (gap.cause, awaited) if cause]
            self._enter("lost", "; ".join(causes) or None)
        elif gap.kind == "back":
            self._tally.came_back()
            self._enter("watching")

    def _edge_silent(self, cause: str) -> None:
        with self._lock:
            if self._idle is None:
                self._enter("lost", cause)

    def _awaited(self) -> str | None:
        """Says what somebody else has to do before there are pictures."""
        url, path = self._camera.config.url, f"/api/cameras/{self._camera.id}/push"
        if url == PUSH:
            return f"nobody sends to it: POST its stream to {path}"
        if url == EDGE:
            return f"it waits for its edge: run costream edge at the camera, --to {path} here"
        return None

    def _enter(self, state: CameraState, error: str | None = None) -> None:
        with self._lock:
            if not self._removed and (status := self._tally.enter(state, error)) is not None:
                self._parts.tell(status)
