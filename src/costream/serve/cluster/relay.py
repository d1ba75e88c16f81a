"""News of a node that wait for the front end."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from costream.serve.events.event import EventMessage
from costream.serve.hub import Hub
from costream.serve.status import News, Preview

QUEUED = 4096
"""News that wait at most, beside a preview of each camera; beyond it the oldest go."""

LINES = 1000
"""Lines of the log that wait at most."""


class Relay(Hub):
    """Keeps the news of a node until the front end fetches them; nobody waits for that.

    Of previews the newest of each camera is kept: what shows them is not to fall behind.

    Args:
        is_shown: says of a camera whether its news are told, and not kept to ourselves.
    """

    def __init__(self, is_shown: Callable[[str], bool]) -> None:
        super().__init__()
        self._is_shown = is_shown
        self._changed = threading.Condition()
        self._previews_left: dict[str, Preview] = {}
        self._left: deque[News] = deque(maxlen=QUEUED)

    def publish(self, news: News) -> None:
        """Remembers news, and keeps them for the front end."""
        super().publish(news)
        camera = news.event.camera if isinstance(news, EventMessage) else news.camera
        if not self._is_shown(camera):
            return
        with self._changed:
            if isinstance(news, Preview):
                self._previews_left[news.camera] = news
            else:
                self._left.append(news)
            self._changed.notify_all()

    def fetch(self, patience: float) -> list[News]:
        """Returns the news that were not fetched yet; waits for some, but not for long."""
        with self._changed:
            self._changed.wait_for(lambda: self._left or self._previews_left, patience)
            found = [*self._left, *self._previews_left.values()]
            self._left.clear()
            self._previews_left.clear()
        return found


class LogRelay(logging.Handler):
    """Keeps lines of a process's log until the front end fetches them.

    Args:
        node: named before each line.
    """

    def __init__(self, node: str) -> None:
        super().__init__(logging.INFO)
        self._node = node
        self._lines: deque[logging.LogRecord] = deque(maxlen=LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a line, in a form that can be pickled."""
        error = (
            None
            if record.exc_info is None
            else logging.Formatter().formatException(record.exc_info)
        )
        fields = {**getattr(record, "fields", {}), "node": self._node}
        line = logging.LogRecord(
            record.name,
            record.levelno,
            record.pathname,
            record.lineno,
            "[%s] %s%s",
            (self._node, record.getMessage(), f"\n{error}" if error else ""),
            None,
        )
        line.fields = fields
        self._lines.append(line)

    def fetch(self) -> list[logging.LogRecord]:
        """Returns the lines that were not fetched yet."""
        found = []
        while self._lines:
            found.append(self._lines.popleft())
        return found
