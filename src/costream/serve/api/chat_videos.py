"""Videos that were asked about: the last ones stay, and further questions cost only themselves."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from costream.serve.api.answerer import VideoHost
from costream.serve.api.chat_errors import ApiError
from costream.serve.api.chat_source import OpenVideo
from costream.video import DeferredSource

if TYPE_CHECKING:
    from costream.engine.ingest_process import IngestProcess
    from costream.engine.whole_video import VideoHandle

MOST = 4
"""Videos that stay."""

ROWS = 1 << 18
"""Rows of the pool, or of host memory, that those that stay have together: a token each."""

IDLE = 1800.0
"""Seconds after which a video that nobody asks about goes."""

_LETTING_GO = 10.0
"""Seconds that the engine may take to let go of a video before its reading is ended."""


@dataclass(eq=False)
class Video:
    """One video that stays.

    Attributes:
        handle: its window, in the engine's session.
        process: what reads it; None once it was read.
        discard: deletes a file that was made for the reading alone.
        users: requests that are under way on it.
        used: when it was last asked about, on the clock of ``time.monotonic``.
        fresh: whether nothing of it was computed before.
    """

    handle: VideoHandle
    process: IngestProcess | None
    discard: Callable[[], None]
    users: int = 0
    used: float = field(default_factory=time.monotonic)
    fresh: bool = True

    def close_source(self) -> None:
        """Ends the process that read it: it was read to its end, or is wanted no more."""
        process, self.process = self.process, None
        if process is not None:
            process.close()
            self.discard()

    @property
    def rows(self) -> int:
        """Rows that it refers to."""
        return 0 if self.handle.last is None else self.handle.last.rows


class Videos:
    """The videos that stay, by content, the one that was asked about last at the end.

    A request takes one by :meth:`take`, and gives it back.

    Args:
        host: the service.

    Attributes:
        hits: requests about a video that had stayed.
        misses: requests for which one was read.
        evicted: videos that had to go for others, or because nobody asked about them.
    """

    def __init__(self, host: VideoHost) -> None:
        self.hits = self.misses = self.evicted = 0
        self._host = host
        self._lock = threading.RLock()
        self._kept: OrderedDict[str, Video] = OrderedDict()
        self._timer: threading.Timer | None = None

    def take(self, content: str, path: Path, discard: Callable[[], None] = lambda: None) -> Video:
        """Returns a video, which is read first where it has not stayed. It may take a second.

        Args:
            content: hash of its content.
            path: where it lies, for as long as it is being read.
            discard: deletes it when it was read, where nothing else needs it.

        Raises:
            ApiError: too many videos are asked about at once.
        """
        with self._lock:
            found = self._kept.get(content)
            if found is not None and not found.handle.ended:
                self.hits += 1
                discard()
            else:
                self._make_room()
                self.misses += 1
                self._kept[content] = found = self._begun(path, discard)
            self._kept.move_to_end(content)
            found.users += 1
            found.used = time.monotonic()
        return found

    def give_back(self, video: Video) -> None:
        """Ends a request about a video, which may go from then on."""
        with self._lock:
            video.users -= 1
            video.used = time.monotonic()
        self.sweep()

    def read_to_its_end(self, video: Video) -> bool:
        """Notes that a reply has begun; says whether the video was computed for it."""
        with self._lock:
            fresh, video.fresh = video.fresh, False
        video.close_source()
        return fresh

    def sweep(self) -> None:
        """Lets go of videos that nobody asked about for long, or that have too many rows."""
        with self._lock:
            long_ago = time.monotonic() - IDLE
            for content, video in list(self._kept.items()):
                crowded = sum(kept.rows for kept in self._kept.values()) > ROWS
                over = video.handle.ended or video.used < long_ago or crowded
                if over and not video.users:
                    self._let_go(content)
            self._look_again()

    def close(self) -> None:
        """Lets go of all of them."""
        with self._lock:
            for content in list(self._kept):
                self._let_go(content)
            self._look_again()

    def _begun(self, path: Path, discard: Callable[[], None]) -> Video:
        engine = self._host.engine
        source = OpenVideo(path, engine.settings.uses_motion)
        process = engine.ingest(DeferredSource(source, patience=0, backlog=8))
        try:
            return Video(self._host.session.add_video(process), process, discard)
        except BaseException:
            process.close()
            raise

    def _make_room(self) -> None:
        idle = [content for content, video in self._kept.items() if not video.users]
        if len(self._kept) < MOST:
            return
        if not idle:
            raise ApiError(
                429,
                f"{MOST} videos are being asked about already: try again in a moment",
                code="too_many_videos",
                headers={"Retry-After": "5"},
            )
        self._let_go(idle[0])

    def _let_go(self, content: str) -> None:
        video = self._kept.pop(content)
        self.evicted += 1
        video.handle.cancel()
        if video.process is not None:
            video.handle.wait(_LETTING_GO)
        video.close_source()

    def _look_again(self) -> None:
        """Has somebody look when the next one may have become idle."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._kept:
            self._timer = threading.Timer(IDLE + 1, self.sweep)
            self._timer.daemon = True
            self._timer.start()
