"""A fleet under test, and what it told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from costream.engine.engine import Engine
from costream.engine.result import Result
from costream.serve.cameras.fleet import Fleet
from costream.serve.config.model import CameraConfig
from costream.serve.config.watched import AlertRule, WatchedCamera, WatchedQuestion
from costream.serve.hub import Hub
from costream.serve.status import CameraStatus, WindowNews

SOON = 90.0
"""Seconds in which what is waited for must have come, on a busy machine."""


def question(id: str, ask: str = "Is it?", **settings: Any) -> WatchedQuestion:
    schedule = settings.pop("schedule", ())
    return WatchedQuestion(id, id, ask, None, None, schedule, AlertRule(**settings))


def camera(id: str, url: str, *questions: WatchedQuestion, **settings: Any) -> WatchedCamera:
    kept = {
        key: settings.pop(key)
        for key in ("masks", "paused", "schedule", "source")
        if key in settings
    }
    config = CameraConfig(url=url, **{"timeout": 2.0, **settings})
    return WatchedCamera(id, id, config, questions or (question("it"),), **kept)


@dataclass
class Watching:
    """Runs a fleet and gathers what it tells.

    Attributes:
        results: what was answered, by camera.
        states: states that were told of, by camera, each with its cause.
    """

    engine: Engine
    hub: Hub = field(default_factory=Hub)
    on_result: Callable[[WatchedCamera], None] = lambda camera: None
    results: dict[str, list[tuple[Result, WindowNews]]] = field(default_factory=dict)
    states: dict[str, list[tuple[str, str | None]]] = field(default_factory=dict)

    def __enter__(self) -> Watching:
        self.fleet = Fleet(self.engine, self.hub, on_result=self._take, on_state=self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        self.fleet.close()

    def windows(self, camera: str) -> list[WindowNews]:
        return [news for _, news in self.results.get(camera, [])]

    def await_windows(self, camera: str, count: int = 1) -> int:
        """Waits for so many more windows; returns how many there were before."""
        before = len(self.windows(camera))
        self.until(lambda: len(self.windows(camera)) >= before + count)
        return before

    def await_state(self, camera: str, state: str) -> None:
        self.until(lambda: self.fleet.status(camera).state == state)

    def until(self, holds: Callable[[], object]) -> None:
        end = time.monotonic() + SOON
        while not holds():
            assert time.monotonic() < end, (
                self.states,
                {k: len(v) for k, v in self.results.items()},
            )
            time.sleep(0.02)

    def pid(self, camera: str) -> int | None:
        stream = self.fleet._watchers[camera]._stream
        return None if stream is None else stream._child.pid

    def _take(self, camera: WatchedCamera, result: Result, news: WindowNews) -> None:
        self.results.setdefault(camera.id, []).append((result, news))
        self.on_result(camera)

    def _note(self, status: CameraStatus) -> None:
        self.states.setdefault(status.id, []).append((status.state, status.error))
