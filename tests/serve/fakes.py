"""A backend without cameras, engine or store, for tests of the API and the page.

``python -m tests.serve.fakes --port 8470 --token secret`` serves it: cameras whose pictures move,
scores that rise and fall, and an event every few seconds.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import SecretStr

import costream
from costream.audit import AuditReport, Interval, QuestionAudit
from costream.errors import SettingsError, TakenError, UnknownError
from costream.serve.api.app import create_app
from costream.serve.api.server import serve
from costream.serve.backend import EventPage, EventQuery, Health, SinkStatus
from costream.serve.cameras.edge import EdgeReply
from costream.serve.config.model import CameraConfig, QuestionConfig, ServerConfig, ServiceConfig
from costream.serve.config.watched import AlertRule, WatchedCamera, WatchedQuestion
from costream.serve.events.event import Event, EventMessage
from costream.serve.hub import Hub
from costream.serve.status import (
    CameraState,
    CameraStatus,
    Preview,
    Savings,
    Score,
    StateNews,
    WindowNews,
)
from tests.serve import fake_events, fake_pictures
from tests.serve.fake_config import HOSTILE, QUESTIONS, config_of

AUDIT = AuditReport(
    target=0.01,
    windows=4000,
    checked=42,
    missed=1,
    share=0.004,
    bounds=Interval(0.001, 0.0171),
    cost=0.0105,
    questions=(
        QuestionAudit(
            ask="Is a person there?",
            zone="door",
            windows=4000,
            checked=42,
            missed=1,
            flips=2,
            share=0.004,
            bounds=Interval(0.001, 0.0171),
            difference=0.004,
            difference_bounds=Interval(0.0, 0.02),
            causes={"pruning": 2},
        ),
    ),
)
"""What came of checking answers, of every camera that was answered."""


@dataclass
class _Camera:
    watched: WatchedCamera
    number: int
    state: CameraState = "watching"
    error: str | None = None
    windows: int = 0


class FakeBackend:
    """Everything that the API asks for, made up. See ``costream.serve.backend.Backend``.

    Attributes:
        hub: where its news are published.
        ready: what ``health`` says.
        problems: likewise.
        pushed: bytes that were pushed, by camera.
    """

    def __init__(
        self,
        folder: Path,
        config: ServiceConfig | None = None,
        *,
        events: int = 40,
        clip: Path | None = None,
    ) -> None:
        """Prepares it; nothing moves until :meth:`step` or :meth:`run`.

        Args:
            folder: for stills and clips.
            config: what is watched; four cameras by default.
            events: how many there are at the beginning, one every ten minutes up to now.
            clip: of all events; one is made by default.
        """
        self.hub = Hub()
        self.ready = True
        self.problems: tuple[str, ...] = ()
        self.pushed: dict[str, int] = {}
        self.reloads: Sequence[str] = ("question fall: changed",)
        self._lock = threading.RLock()
        self._folder = folder
        self._config = config or config_of()
        self._questions = dict(self._config.questions)
        self._started = time.time()
        self._cameras: dict[str, _Camera] = {}
        self._events: dict[str, Event] = {}
        self._still = folder / "still.jpg"
        self._still.write_bytes(fake_pictures.jpeg(0.0, 1))
        self._clip = clip or fake_pictures.write_clip(folder / "clip.mp4")
        for id, camera in self._config.cameras.items():
            self._put(id, camera, "file")
        for index in range(events if self._cameras else 0):
            start = self._started - 600.0 * (events - index)
            self._keep(fake_events.past(start, index, list(self._cameras), QUESTIONS))

    def run(self, stop: threading.Event, interval: float = 0.25) -> None:
        """Moves on until it is told to stop."""
        while not stop.wait(interval):
            self.step(time.time())

    def step(self, now: float) -> None:
        """Publishes a preview of each camera, once in a second a window, and events."""
        for camera in self._watching():
            self.hub.publish(self._preview(camera, now))
            if now - self._started >= camera.windows + 1:
                self.hub.publish(self._window(camera, now))
        lasting = [event for event in self._events.values() if event.end is None]
        for event in lasting:
            if now - event.start > 12:
                self.end_event(event.id, now)
        if not lasting and int(now - self._started) % 20 > 10:
            self.begin_event(now)

    def begin_event(
        self, now: float, *, sentence: str = fake_events.SENTENCE, score: float = 0.91
    ) -> Event:
        """Begins an event of the first camera and tells of it."""
        camera = next(iter(self._cameras))
        event = Event(
            id=fake_events.ulid(now, len(self._events)),
            camera=camera,
            question="person",
            ask=QUESTIONS["person"].ask,
            zone=None,
            start=now,
            end=None,
            score=score,
            threshold=0.6,
            sentence=sentence,
            still=True,
        )
        self._keep(event)
        self.hub.publish(EventMessage("new", event, now))
        return event

    def end_event(self, id: str, now: float) -> Event:
        """Ends an event, gives it a clip and tells of it."""
        event = replace(self.event(id), end=now, clip=True)
        self._keep(event)
        self.hub.publish(EventMessage("end", event, now))
        return event

    def lose(self, id: str, error: str | None) -> None:
        """Has a camera be lost with an error, or, without one, come back."""
        camera = self._find(id)
        camera.state, camera.error = ("lost", error) if error else ("watching", None)
        self.hub.publish(StateNews(id, self.status(id)))

    def config(self) -> ServiceConfig:
        return self._config

    def health(self) -> Health:
        return Health(
            ready=self.ready,
            problems=self.problems,
            started=self._started,
            model="costream/tiny",
            settings={"window": 8.0, "stride": 2.0, "fps": 2.0},
            pool_rows=(5120, 16384),
            swaps=3,
            cameras_fit=14.5,
            version=costream.__version__,
        )

    def sinks(self) -> Sequence[SinkStatus]:
        return [
            SinkStatus("house", "mqtt", 0, 31, 0, 0, None),
            SinkStatus("office", "webhook", 4, 12, 7, 1, "the receiver answered 503"),
        ]

    def cameras(self) -> Sequence[WatchedCamera]:
        with self._lock:
            return [camera.watched for camera in self._cameras.values()]

    def camera(self, id: str) -> WatchedCamera:
        return self._find(id).watched

    def status(self, id: str) -> CameraStatus:
        camera = self._find(id)
        window, preview = self.hub.window(id), self.hub.preview(id)
        windows = camera.windows
        return CameraStatus(
            id=id,
            state=camera.state,
            since=self._started,
            error=camera.error,
            source="rtsp://viewer:***@10.0.0.1/stream?channel=1",
            width=1280,
            height=720,
            fps=25.0,
            codec="h264",
            motion="bitstream",
            last_frame=preview.at if preview else None,
            last_window=window.at if window else None,
            lag=0.42 if window else None,
            stage_seconds={"decode": 0.01, "prune": 0.002, "vision": 0.08, "prefill": 0.06},
            skipped=2,
            reconnects=1,
            decoding={"start": 6, "change": 24, "audit": 10, "still": 900, "unreferenced": 60},
            rows=1280,
            queued=1,
            savings=Savings(
                windows=windows,
                tokens_full=1920 * windows,
                tokens_spent=310 * windows,
                patches_full=480 * windows,
                patches_kept=70 * windows,
                flops_full=9 * 10**11 * windows,
                flops_spent=10**11 * windows,
                bytes_received=150_000 * windows,
                bytes_jpeg=640_000 * windows,
            ),
            scores={score.question: score for score in window.scores} if window else {},
            audit=AUDIT if window else None,
            confirmations={"upheld": 12, "refuted": 2, "missed": 1} if window else {},
            point="threshold x0.75, anchors x0.5 apart" if window else "",
            moves=1 if window else 0,
            moved_because="20% of the answers of 10 checked windows differ" if window else None,
        )

    def add_camera(self, id: str, config: CameraConfig) -> WatchedCamera:
        with self._lock:
            if id in self._cameras:
                raise TakenError(f"there is a camera {id} already: choose another name")
            return self._put(id, config, "api")

    def change_camera(self, id: str, changes: Mapping[str, Any]) -> WatchedCamera:
        with self._lock:
            camera = self._find(id)
            before = camera.watched.config.model_dump(by_alias=True, exclude_unset=True)
            merged = {**before, **changes}
            given = {name: value for name, value in merged.items() if value is not None}
            config = CameraConfig.model_validate(given)
            return self._put(id, config, camera.watched.source)

    def pause_camera(self, id: str, paused: bool) -> WatchedCamera:
        camera = self._find(id)
        camera.watched = replace(camera.watched, paused=paused)
        camera.state = "paused" if paused else "watching"
        self.hub.publish(StateNews(id, self.status(id)))
        return camera.watched

    def remove_camera(self, id: str) -> None:
        with self._lock:
            self._find(id)
            del self._cameras[id]
        self.hub.forget(id)
        self.hub.publish(StateNews(id, None))

    def questions(self) -> Mapping[str, QuestionConfig]:
        return dict(self._questions)

    def put_question(self, id: str, config: QuestionConfig) -> None:
        self._questions[id] = config
        self._refresh()

    def remove_question(self, id: str) -> None:
        if id not in self._questions:
            raise UnknownError(f"there is no question {id}")
        del self._questions[id]
        self._refresh()

    def reload(self) -> Sequence[str]:
        return self.reloads

    def events(self, query: EventQuery) -> EventPage:
        with self._lock:
            found = sorted(self._events.values(), key=lambda event: event.id, reverse=True)
        wanted = [event for event in found if fake_events.matches(event, query)]
        page = tuple(wanted[: query.limit])
        return EventPage(page, page[-1].id if len(wanted) > len(page) else None)

    def event(self, id: str) -> Event:
        try:
            return self._events[id]
        except KeyError:
            raise UnknownError(f"there is no event {id}") from None

    def event_curve(self, id: str) -> Sequence[tuple[float, float]]:
        event = self.event(id)
        end = event.end or event.start + 10
        times = np.linspace(event.start - 5, end + 5, 30)
        middle, width = (event.start + end) / 2, max(end - event.start, 1) / 1.5
        scores = event.score * np.exp(-(((times - middle) / width) ** 2))
        return [(float(at), float(score)) for at, score in zip(times, scores, strict=True)]

    def event_still(self, id: str) -> Path:
        return self._media(self.event(id).still, self._still, "still")

    def event_clip(self, id: str) -> Path:
        return self._media(self.event(id).clip, self._clip, "clip")

    def remove_event(self, id: str) -> None:
        self.event(id)
        del self._events[id]

    def still(self, camera: str) -> bytes:
        self._find(camera)
        preview = self.hub.preview(camera)
        if preview is None:
            raise UnknownError(f"camera {camera} has shown no picture yet")
        return preview.jpeg

    def push(self, camera: str, chunks: Iterator[bytes], *, framed: bool = False) -> int:
        if self._find(camera).watched.config.url != "push":
            raise SettingsError(f"camera {camera} is not pushed: its url is not push")
        self.pushed[camera] = 0
        for chunk in chunks:
            self.pushed[camera] += len(chunk)
        return self.pushed[camera]

    def take_edge(self, camera: str, chunks: Iterator[bytes]) -> EdgeReply:
        self._find(camera)
        raise SettingsError(f"camera {camera} is not read by an edge")

    def recording(self, camera: str, seconds: float) -> bytes:
        self._find(camera)
        raise SettingsError(f"camera {camera} is not read by an edge")

    def _put(self, id: str, config: CameraConfig, source: str) -> WatchedCamera:
        number = self._cameras[id].number if id in self._cameras else len(self._cameras) + 1
        watched = WatchedCamera(
            id=id,
            name=config.name or id,
            config=config,
            questions=self._asked(config),
            source=source,
        )
        self._cameras[id] = _Camera(watched, number)
        self.hub.publish(StateNews(id, self.status(id)))
        return watched

    def _asked(self, config: CameraConfig) -> tuple[WatchedQuestion, ...]:
        wanted = self._questions if config.questions is None else config.questions
        rule = AlertRule(threshold=0.6, release=0.42)
        return tuple(
            WatchedQuestion(id, q.name or q.ask, q.ask, q.zone, None, (), rule)
            for id, q in self._questions.items()
            if id in wanted and q.enabled
        )

    def _refresh(self) -> None:
        for camera in self._cameras.values():
            questions = self._asked(camera.watched.config)
            camera.watched = replace(camera.watched, questions=questions)

    def _find(self, id: str) -> _Camera:
        try:
            return self._cameras[id]
        except KeyError:
            raise UnknownError(f"there is no camera {id}") from None

    def _watching(self) -> list[_Camera]:
        with self._lock:
            return [camera for camera in self._cameras.values() if camera.state == "watching"]

    def _preview(self, camera: _Camera, now: float) -> Preview:
        at = now - self._started
        picture = fake_pictures.jpeg(at, camera.number)
        motion = fake_pictures.motion(at, camera.number)
        return Preview(camera.watched.id, now, int(at * 2), picture, motion)

    def _window(self, camera: _Camera, now: float) -> WindowNews:
        camera.windows += 1
        at = now - self._started
        scores = tuple(
            Score(question.id, now, _score(at, camera.number + 2 * index), 0.6)
            for index, question in enumerate(camera.watched.questions)
        )
        kept = fake_pictures.kept(at, camera.number)
        return WindowNews(
            camera.watched.id, camera.windows - 1, now, scores, kept, 0.42, time.monotonic()
        )

    def _keep(self, event: Event) -> None:
        with self._lock:
            self._events[event.id] = event

    def _media(self, there: bool, path: Path, kind: str) -> Path:
        if not there:
            raise UnknownError(f"this event has no {kind}")
        return path


def _score(at: float, phase: int) -> float:
    return round(0.5 + 0.45 * math.sin(at / 7 + phase), 3)


def main() -> None:
    """Serves the fake backend until Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8470)
    parser.add_argument("--token", default=None)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--events", type=int, default=40)
    parser.add_argument("--hostile", action="store_true", help="names that try to be markup")
    chosen = parser.parse_args()
    names = {"camera-1": HOSTILE[:200]} if chosen.hostile else {"camera-2": "Loading dock"}
    token = SecretStr(chosen.token) if chosen.token else None
    server = ServerConfig(port=chosen.port, token=token)
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(chosen.cameras, names=names)
        backend = FakeBackend(Path(folder), config, events=chosen.events)
        threading.Thread(target=backend.run, args=(stop,), daemon=True).start()
        try:
            serve(create_app(backend, server), server, lambda url: print(url, flush=True), stop)
        except KeyboardInterrupt:
            stop.set()


if __name__ == "__main__":
    main()
