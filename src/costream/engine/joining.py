"""Streams that are still being opened: one that is absent keeps no other waiting."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence

from costream.engine.bell import Bell
from costream.engine.ingest_process import IngestProcess
from costream.video import SampleSource


class Joining:
    """Opens streams, each in a thread of its own.

    Args:
        streams: the streams.
        bell: rung when one is open or can't be opened.

    Attributes:
        waiting: how many were not handed over yet.
    """

    def __init__(self, streams: Sequence[SampleSource | IngestProcess], bell: Bell) -> None:
        self.waiting = len(streams)
        self._bell = bell
        self._opened: deque[tuple[SampleSource | IngestProcess, Exception | None]] = deque()
        for stream in streams:
            threading.Thread(
                target=self._open, args=(stream,), name="costream-open", daemon=True
            ).start()

    def opened(self) -> Iterator[tuple[SampleSource | IngestProcess, Exception | None]]:
        """Hands streams over that are open by now, or the error that keeps one from it."""
        while self._opened:
            self.waiting -= 1
            yield self._opened.popleft()

    def _open(self, stream: SampleSource | IngestProcess) -> None:
        error: Exception | None = None
        try:
            _ = stream.info
        except Exception as caught:  # handed over: it is this stream's alone
            error = caught
        self._opened.append((stream, error))
        self._bell.ring()
