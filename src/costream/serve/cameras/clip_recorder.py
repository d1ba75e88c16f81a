"""Clips of events, each written while its event goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time

from costream.errors import CoStreamError, MediaError
from costream.serve.cameras.clip import ClipWriter, suffix_of
from costream.serve.cameras.media import MediaFolder, partial_of
from costream.video.packet_ring import StoredPacket

LOOK_EVERY = 1.0
"""Seconds after which a clip takes what came meanwhile."""

PACKET_DELAY = 2.0
"""Seconds to wait behind a clip's end for packets that lie within it."""

NewestPackets = Callable[[str, float, int | None], list[StoredPacket]]
"""Returns a camera's newest packets: its id, and the rest as of
:meth:`~costream.engine.ingest_process.IngestProcess.newest_packets`."""

OnClip = Callable[[str, Path], None]
"""Told of an event's id and the path of its clip, once it is whole."""

logger = logging.getLogger("costream")


@dataclass(slots=True)
class _Clip:
    """A clip that is being written.

    Attributes:
        event: the event's id.
        camera: the camera's id.
        at: where it begins, seconds since 1970.
        start: likewise, on the clock of ``time.monotonic``.
        until: where it ends, on that clock.
        changed: set with another end.
    """

    event: str
    camera: str
    at: float
    start: float
    until: float
    changed: threading.Event = field(default_factory=threading.Event)


class ClipRecorder:
    """Writes clips, each in a thread of its own: a camera that is stuck keeps no other waiting.

    A clip begins at the key frame at or before its start, as far back as packets are kept. It ends
    when it is told to, after its longest time, where the camera's parameters change, or where the
    camera is removed, paused or restarted. A camera that is lost and comes back goes on in the same
    clip, whose picture stands still meanwhile. It shows what the camera sent: masks are not painted
    into it.

    Args:
        media: where clips are kept.
        newest_packets: gives the packets.
        on_clip: told of each clip.

    Attributes:
        dropped: clips that could not be written.
        problem: in a sentence, what went wrong with the last one that was dropped; None once one
            could be written again.
    """

    def __init__(self, media: MediaFolder, newest_packets: NewestPackets, on_clip: OnClip) -> None:
        self.dropped = 0
        self.problem: str | None = None
        self._media = media
        self._newest_packets = newest_packets
        self._on_clip = on_clip
        self._clips: dict[str, tuple[_Clip, threading.Thread]] = {}
        self._lock = threading.Lock()

    def begin(self, event: str, camera: str, start: float, longest: float) -> None:
        """Begins a clip; one that is being written of the same event goes on instead.

        Args:
            event: the event's id.
            camera: the camera's id.
            start: where it begins, seconds since 1970.
            longest: seconds that it may last.
        """
        begin = start - time() + monotonic()
        with self._lock:
            if event in self._clips:
                return
            clip = _Clip(event, camera, start, begin, begin + longest)
            thread = threading.Thread(
                target=self._record, args=(clip,), name="costream-clip", daemon=True
            )
            self._clips[event] = clip, thread
        thread.start()

    def finish(self, event: str, until: float) -> None:
        """Ends a clip at a moment, which may lie ahead.

        Args:
            event: the event's id.
            until: seconds since 1970, by the clock as it was set when the clip began.
        """
        with self._lock:
            found = self._clips.get(event)
        if found is not None:
            clip, _ = found
            clip.until = min(clip.until, clip.start + until - clip.at)
            clip.changed.set()

    def close(self) -> None:
        """Ends all clips as they are, and waits for that."""
        with self._lock:
            clips = list(self._clips.values())
        for clip, _ in clips:
            clip.until = min(clip.until, monotonic() - PACKET_DELAY)
            clip.changed.set()
        for _, thread in clips:
            thread.join()

    @property
    def active(self) -> int:
        """Clips that are being written."""
        return len(self._clips)

    def _record(self, clip: _Clip) -> None:
        try:
            path = self._write(clip)
            if path is not None:
                self.problem = None
                self._on_clip(clip.event, path)
        except MediaError as error:
            self.dropped += 1
            self.problem = str(error)
            logger.warning("%s", error)
        except Exception as error:  # this clip's alone
            self.dropped += 1
            logger.warning("the clip of event %s was dropped: %r", clip.event, error)
        finally:
            with self._lock:
                del self._clips[clip.event]

    def _write(self, clip: _Clip) -> Path | None:
        """Writes a clip to its end; returns its path, or None where there was nothing for it."""
        packets = self._next(clip, None)
        while packets == [] and not self._is_over(clip):
            self._wait(clip)
            packets = self._next(clip, None)
        if not packets:
            return None
        try:
            path = self._media.path(clip.event, clip.at, suffix_of(packets[0]))
            partial = partial_of(path)
            self._follow(clip, partial, packets)
            return partial.replace(path) if partial.exists() else None
        except OSError as error:
            raise MediaError(f"a clip was dropped, as it can't be written: {error}") from None

    def _follow(self, clip: _Clip, partial: Path, packets: list[StoredPacket] | None) -> None:
        assert packets
        try:
            with closing(ClipWriter(partial, packets[0])) as writer:
                number = packets[0].number - 1
                while packets is not None:
                    writer.add(p for p in packets if p.received <= clip.until)
                    number = packets[-1].number if packets else number
                    if writer.over or self._is_over(clip):
                        return
                    self._wait(clip)
                    packets = self._next(clip, number)
        except MediaError:
            partial.unlink(missing_ok=True)
            raise

    def _next(self, clip: _Clip, number: int | None) -> list[StoredPacket] | None:
        """Returns what came since; None where nothing more will."""
        try:
            return self._newest_packets(clip.camera, clip.start, number)
        except CoStreamError:
            return None

    def _is_over(self, clip: _Clip) -> bool:
        return monotonic() >= clip.until + PACKET_DELAY

    def _wait(self, clip: _Clip) -> None:
        clip.changed.wait(LOOK_EVERY)
        clip.changed.clear()
