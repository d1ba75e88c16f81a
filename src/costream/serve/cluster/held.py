"""One camera as a node has it: what it does with it, and what it saw and told nobody."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from costream.serve.cluster.messages import Role
from costream.serve.config.watched import WatchedCamera
from costream.serve.events.incident import Span
from costream.serve.status import WindowNews

if TYPE_CHECKING:
    from costream.engine.result import Result

KEPT = 64
"""Windows that a node keeps of a camera that is not its own yet, or not any more."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A window that was answered, and what it said."""

    camera: WatchedCamera
    result: Result
    news: WindowNews


Observe = Callable[[Seen], None]
"""Makes events of a window. It must not wait."""


class Held:
    """What a node does with a camera, and the windows of which no events were made here.

    A camera that is handed over is watched by two nodes for a while, each with windows of its own.
    The next owner goes on with the first of its windows that ends behind the last one of which the
    former made events: so none is missed and none counts twice. Any thread may use it.

    Args:
        role: what is done with the camera at first.
        observe: makes events of a window.
    """

    def __init__(self, role: Role, observe: Observe) -> None:
        self._observe = observe
        self._lock = threading.Lock()
        self._kept: deque[Seen] = deque(maxlen=KEPT)
        self._role: Role = role
        self._seen: float | None = None
        self.fence = 0
        """Under which the camera is the node's own; 0 where it is not."""
        self.since = float("-inf")
        """From when on it is, on the clock of ``time.monotonic``."""
        self.rising: Mapping[str, Span] = {}
        """What was rising when the node began to let go of the camera, by question."""

    @property
    def role(self) -> Role:
        """What is done with the camera."""
        return self._role

    def is_own(self, fence: int) -> bool:
        """Whether events of the camera are made here, under this fence."""
        return self._role == "own" and self.fence == fence

    @property
    def seen(self) -> float | None:
        """The end of the last window of which events were made here, seconds since 1970."""
        return self._seen

    @property
    def is_primed(self) -> bool:
        """Whether a window was answered, so that the camera may be taken over."""
        return bool(self._kept)

    def take(self, seen: Seen) -> None:
        """Takes a window: makes events of it, or keeps it."""
        with self._lock:
            if self._role == "own":
                self._seen = seen.news.at
                self._observe(seen)
            else:
                self._kept.append(seen)

    def own(self, fence: int, since: float | None, prepare: Callable[[], None]) -> None:
        """Makes the camera the node's own, and makes events of what was kept.

        Args:
            fence: under which it is.
            since: the end of the last window of which somebody made events, seconds since 1970;
                None where that is not known, and nothing that was kept counts.
            prepare: is called before any window counts.
        """
        with self._lock:
            # Before anything is written, which is checked by the fence.
            self._role, self.fence, self.since, self.rising = "own", fence, monotonic(), {}
            prepare()
            kept = [] if since is None else [one for one in self._kept if one.news.at > since]
            self._kept.clear()
            self._seen = since if self._seen is None else self._seen
            for seen in kept:
                self._seen = seen.news.at
                self._observe(seen)

    def yield_(self, prepare: Callable[[], Mapping[str, Span]]) -> None:
        """Has windows be kept from now on, for whoever is the next owner, or for this one again.

        Args:
            prepare: lets go of the camera's events; returns what was rising.
        """
        with self._lock:
            if self._role == "own":
                self._role = "yield"
                self.rising = prepare()
