"""News of cameras and events, from the threads that make them to whoever listens."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Container

from costream.serve.events.event import Change, EventMessage
from costream.serve.status import News, Preview, Score, WindowNews

QUEUED = 256
"""News that wait for a subscriber; beyond it the oldest go, and ``Subscription.dropped`` counts."""

CURVE = 600
"""Scores of each question that are kept in memory."""


class Subscription:
    """One listener's queue. It belongs to the event loop that made it.

    Attributes:
        dropped: news that had to go because the listener was slow.
    """

    def __init__(self, wanted: Callable[[News], bool], loop: asyncio.AbstractEventLoop) -> None:
        self.dropped = 0
        self._wanted = wanted
        self._loop = loop
        self._items: deque[News] = deque()
        self._ready = asyncio.Event()

    def offer(self, news: News) -> None:
        """Adds news, from any thread."""
        if self._wanted(news):
            self._loop.call_soon_threadsafe(self._add, news)

    async def next(self) -> News:
        """Waits for the next news."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()

    def _add(self, news: News) -> None:
        if len(self._items) >= QUEUED:
            self._items.popleft()
            self.dropped += 1
        self._items.append(news)
        self._ready.set()


class Hub:
    """Passes news on, and remembers the last preview of each camera and the last scores.

    Any thread may use it; nobody waits for a listener.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: set[Subscription] = set()
        self._previews: dict[str, Preview] = {}
        self._windows: dict[str, WindowNews] = {}
        self._curves: dict[str, dict[str, deque[Score]]] = {}
        self._events: Counter[tuple[str, str, Change]] = Counter()

    def publish(self, news: News) -> None:
        """Tells all subscribers."""
        with self._lock:
            self._remember(news)
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.offer(news)

    def subscribe(self, wanted: Callable[[News], bool] = lambda news: True) -> Subscription:
        """Returns a new listener's queue; call it in a running event loop, and :meth:`leave`."""
        subscription = Subscription(wanted, asyncio.get_running_loop())
        with self._lock:
            self._subscriptions.add(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Ends a subscription."""
        with self._lock:
            self._subscriptions.discard(subscription)

    def preview(self, camera: str) -> Preview | None:
        """Returns the last preview of a camera."""
        with self._lock:
            return self._previews.get(camera)

    def window(self, camera: str) -> WindowNews | None:
        """Returns the last window of a camera."""
        with self._lock:
            return self._windows.get(camera)

    def curve(self, camera: str) -> dict[str, list[Score]]:
        """Returns the last scores of a camera by question."""
        with self._lock:
            return {key: list(scores) for key, scores in self._curves.get(camera, {}).items()}

    def event_counts(self) -> dict[tuple[str, str, Change], int]:
        """Returns how many changes of events there were by camera, question and change."""
        with self._lock:
            return dict(self._events)

    def forget(self, camera: str) -> None:
        """Forgets a camera that was removed."""
        with self._lock:
            for memory in (self._previews, self._windows, self._curves):
                memory.pop(camera, None)

    def keep(self, questions: Container[tuple[str, str]]) -> None:
        """Forgets curves and counts of all but these: ids of a camera and a question."""
        with self._lock:
            self._events = Counter(
                {key: count for key, count in self._events.items() if key[:2] in questions}
            )
            for camera, curves in self._curves.items():
                for question in [one for one in curves if (camera, one) not in questions]:
                    del curves[question]

    def _remember(self, news: News) -> None:
        if isinstance(news, Preview):
            self._previews[news.camera] = news
        elif isinstance(news, EventMessage):
            self._events[news.event.camera, news.event.question, news.change] += 1
        elif isinstance(news, WindowNews):
            self._windows[news.camera] = news
            curves = self._curves.setdefault(news.camera, {})
            for score in news.scores:
                curves.setdefault(score.question, deque(maxlen=CURVE)).append(score)
