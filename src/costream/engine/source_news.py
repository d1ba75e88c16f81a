"""What a process that reads a camera tells of it beside its windows: pictures and counts.

It comes on a line of its own, so that it is told however busy the engine is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic

from costream.engine.child import Line
from costream.errors import CoStreamError
from costream.video import DecodeCount, DeferredSource, Sample, StreamInfo
from costream.video.thumbnail import Thumbnail, ThumbnailMaker, ThumbnailRecipe

COUNT_EVERY = 2.0
"""Seconds from one :class:`SourceCounts` to the next, at most."""


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """How the reading of a source is going.

    Attributes:
        info: what is known of it; None until it is open.
        received: bytes of compressed video that came, where packets are kept; else 0.
        jpeg_bytes: what JPEG pictures of the sampled frames would have taken: see
            :class:`~costream.video.thumbnail.ThumbnailMaker`.
        samples: sampled frames that were read.
        skipped: sampled frames that were left out to keep up.
        frames: native frames that were read.
        damaged: those among them that the decoder met errors in.
        decoding: native frames by why they were decoded, or were not.
        failure: in a sentence, why it is away; None while it is not.
    """

    info: StreamInfo | None = None
    received: int = 0
    jpeg_bytes: int = 0
    samples: int = 0
    skipped: int = 0
    frames: int = 0
    damaged: int = 0
    failure: str | None = None
    decoding: DecodeCount = field(default_factory=DecodeCount)


@dataclass(frozen=True, slots=True)
class SourceListener:
    """Who is told of a source while another process reads it, by a thread of its own.

    Attributes:
        on_thumbnail: of small pictures, each as soon as its frame was read.
        on_counts: of counts, every :data:`COUNT_EVERY` seconds, from the beginning on.
        recipe: how the pictures are made.
    """

    on_thumbnail: Callable[[Thumbnail], None]
    on_counts: Callable[[SourceCounts], None]
    recipe: ThumbnailRecipe = field(default_factory=ThumbnailRecipe)

    def follow(self, messages: Iterator[Thumbnail | SourceCounts]) -> None:
        """Tells of what comes, from a thread that ends with it."""
        threading.Thread(
            target=self._tell, args=(messages,), name="costream-news", daemon=True
        ).start()

    def _tell(self, messages: Iterator[Thumbnail | SourceCounts]) -> None:
        for news in messages:
            if isinstance(news, Thumbnail):
                self.on_thumbnail(news)
            else:
                self.on_counts(news)


class SourceNews(threading.Thread):
    """Tells of one source, in the process that reads it.

    The thread that reads is never kept waiting: a picture that could not be sent yet is replaced by
    the next one.

    Args:
        line: where it is told.
        source: the source, not read yet.
        recipe: how pictures are made.
    """

    def __init__(self, line: Line, source: DeferredSource, recipe: ThumbnailRecipe) -> None:
        super().__init__(name="costream-news", daemon=True)
        self._line = line
        self._source = source
        self._maker = ThumbnailMaker(recipe)
        self._newest: Thumbnail | None = None
        self._info: StreamInfo | None = None
        self._ready = threading.Event()
        self._left = False
        source.on_sample = self._see

    def opened(self, info: StreamInfo) -> None:
        """Notes what is known of the source once it is open."""
        self._info = info
        self._ready.set()

    def leave(self) -> None:
        """Ends the thread."""
        self._left = True
        self._ready.set()

    def run(self) -> None:
        """Sends pictures as they come, and counts."""
        told = float("-inf")
        while not self._left:
            newest, self._newest = self._newest, None
            if newest is not None:
                self._line.send(newest)
            if monotonic() - told >= COUNT_EVERY:
                told = monotonic()
                self._line.send(self._counts())
            self._ready.wait(COUNT_EVERY)
            self._ready.clear()
        self._line.send(self._counts())
        self._line.end()

    def _see(self, sample: Sample) -> None:
        thumbnail = self._maker.see(sample)
        if thumbnail is not None:
            self._newest = thumbnail
            self._ready.set()

    def _counts(self) -> SourceCounts:
        source, health = self._source, self._source.health
        return SourceCounts(
            self._info,
            source.received,
            self._maker.jpeg_bytes,
            self._maker.samples,
            source.skipped,
            health.frames,
            health.damaged,
            _sentence(source.failure),
            health.decoding,
        )


def _sentence(error: CoStreamError | None) -> str | None:
    return None if error is None else str(error)
