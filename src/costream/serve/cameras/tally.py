"""What is known of one camera while it is watched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic

from costream.audit import AuditReport
from costream.engine.ingest import WindowOutline
from costream.engine.result import Confirmation, Result
from costream.engine.source_news import SourceCounts
from costream.serve.status import CameraState, CameraStatus, Savings, WindowNews

Clock = Callable[[], float]

SET = 1.0
"""Seconds by which the wall clock differs at once where somebody set it."""


class Tally:
    """A camera's status, kept by whoever knows something of it. Any thread may use it.

    Its moments are by the wall clock as it is set now, so that they are as long ago as they say.

    Args:
        camera: its id.
        source: its URL, passwords masked.
        clock: tells seconds since 1970.
    """

    def __init__(self, camera: str, source: str, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._offset = clock() - monotonic()  # of the wall clock, as it was set last
        self._status = CameraStatus(camera, "starting", clock(), source=source)
        self._before = SourceCounts()  # of processes that have ended
        self._counts = SourceCounts()

    def status(self) -> CameraStatus:
        """Returns it as it is now."""
        with self._lock:
            self._follow_clock()
            return self._status

    def enter(self, state: CameraState, error: str | None = None) -> CameraStatus | None:
        """Notes a state; returns the status where it is another, or has another cause."""
        with self._lock:
            if (state, error) == (self._status.state, self._status.error):
                return None
            self._follow_clock()
            since = self._status.since if state == self._status.state else self._clock()
            self._status = replace(self._status, state=state, since=since, error=error)
            return self._status

    def rename(self, source: str) -> None:
        """Notes another URL, passwords masked."""
        with self._lock:
            self._status = replace(self._status, source=source)

    def restart(self) -> None:
        """Goes on with another process, whose counts begin at 0."""
        with self._lock:
            self._before, self._counts = _sum(self._before, self._counts), SourceCounts()

    def count(self, counts: SourceCounts) -> None:
        """Notes how the reading is going."""
        with self._lock:
            self._counts = counts
            total = _sum(self._before, counts)
            savings = replace(
                self._status.savings, bytes_received=total.received, bytes_jpeg=total.jpeg_bytes
            )
            self._status = replace(
                self._status,
                skipped=total.skipped,
                savings=savings,
                decoding=total.decoding.to_dict(),
            )
            if counts.info is not None:
                info = counts.info
                self._status = replace(
                    self._status, fps=info.frame_rate, codec=info.codec, motion=info.motion
                )

    def frame(self, at: float, size: tuple[int, int]) -> None:
        """Notes a sampled frame."""
        with self._lock:
            self._follow_clock()
            width, height = size
            self._status = replace(self._status, last_frame=at, width=width, height=height)

    def came_back(self) -> None:
        """Notes that the camera was lost and is there again."""
        with self._lock:
            self._status = replace(self._status, reconnects=self._status.reconnects + 1)

    def audit(self, report: AuditReport) -> None:
        """Notes what came of checking answers."""
        with self._lock:
            self._status = replace(self._status, audit=report)

    def window(self, result: Result, outlines: Sequence[WindowOutline], news: WindowNews) -> None:
        """Notes a window that was answered, and what was new in it."""
        frames = [frame for outline in outlines for frame in outline.frames]
        with self._lock:
            self._follow_clock()
            status = self._status
            self._status = replace(
                status,
                last_window=self._clock(),
                lag=result.lag,
                stage_seconds={
                    "decode": result.seconds.decode,
                    "prune": result.seconds.prune,
                    "vision": result.seconds.vision,
                    "prefill": result.seconds.prefill,
                    "generate": result.seconds.generate,
                },
                damaged=status.damaged + sum(frame.damaged for frame in frames),
                rows=result.rows,
                savings=_saved(status.savings, result, outlines),
                confirmations=_confirmed(status.confirmations, result.confirmation),
                scores={score.question: score for score in news.scores},
                point=result.point,
                moves=status.moves + len(result.moves),
                moved_because=result.moves[-1].reason if result.moves else status.moved_because,
            )

    def queue(self, waiting: int) -> None:
        """Notes how many results wait."""
        with self._lock:
            self._status = replace(self._status, queued=waiting)

    def leave(self) -> None:
        """Notes that nothing of it is in the pool any more."""
        with self._lock:
            self._status = replace(self._status, rows=0, queued=0, lag=None)

    def _follow_clock(self) -> None:
        """Calls moments by other names where the wall clock was set; it holds the lock."""
        offset = self._clock() - monotonic()
        moved = offset - self._offset
        if abs(moved) < SET:
            return
        self._offset = offset
        status = self._status
        self._status = replace(
            status,
            since=status.since + moved,
            last_frame=None if status.last_frame is None else status.last_frame + moved,
            last_window=None if status.last_window is None else status.last_window + moved,
        )


def _saved(before: Savings, result: Result, outlines: Sequence[WindowOutline]) -> Savings:
    frames = [frame for outline in outlines for frame in outline.frames]
    confirming = 0 if result.confirmation is None else result.confirmation.tokens
    return replace(
        before,
        windows=before.windows + 1,
        tokens_full=before.tokens_full + result.tokens.full,
        tokens_spent=before.tokens_spent + result.tokens.prefilled + confirming,
        patches_full=before.patches_full + sum(frame.keep.groups.size for frame in frames),
        patches_kept=before.patches_kept + sum(frame.encoded for frame in frames),
        flops_full=before.flops_full + result.flops.full,
        flops_spent=before.flops_spent + result.flops.spent,
    )


def _confirmed(before: dict[str, int], found: Confirmation | None) -> dict[str, int]:
    if found is None:
        return before
    return {outcome: before.get(outcome, 0) + n for outcome, n in found.outcomes.items()}


def _sum(one: SourceCounts, other: SourceCounts) -> SourceCounts:
    return replace(
        other,
        received=one.received + other.received,
        jpeg_bytes=one.jpeg_bytes + other.jpeg_bytes,
        samples=one.samples + other.samples,
        skipped=one.skipped + other.skipped,
        frames=one.frames + other.frames,
        damaged=one.damaged + other.damaged,
        decoding=one.decoding + other.decoding,
    )
