"""How far apart in time a frame and its references are: FFmpeg's vectors don't say."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from costream._bitstream import Picture

FrameType = Literal["I", "P", "B"]

_MEMORY = 64
"""Frames remembered: twice what H.264 can reorder (16 frames of two fields)."""


class Coded(NamedTuple):
    """A frame's place in the bitstream: what travels through the decoder with it.

    One is made of every packet, in a fifth of the time that a frozen dataclass takes.

    Attributes:
        order: index in decoding order.
        pts: presentation time in the stream's units, or None.
        size: coded bytes.
        corrupt: the demuxer marked the packet as incomplete, or what it holds is damaged.
        reference: other frames may refer to it; None if the bitstream was not asked.
        picture: what our own reader says of it, if it reads the stream.
        unread: why it could not read the picture; empty where it could, or was not asked.
        duration: seconds to the next picture, where the codec tells them and the container has no
            stamps; else None.
        stored: its number in the ring that its stream fills; None where there is none.
    """

    order: int
    pts: int | None
    size: int
    corrupt: bool
    reference: bool | None = None
    picture: Picture | None = None
    unread: str = ""
    duration: float | None = None
    stored: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Factors that turn a frame's vectors into movement since the frame displayed before it.

    ``past`` is for vectors into an earlier picture, ``future`` for those into a later one; both
    are the time since the previous frame, over the time to the reference.
    """

    past: float
    future: float


class References:
    """Tells, from decoding order and presentation times, which pictures a frame refers to.

    A P-frame is taken to refer to the I- or P-frame displayed last, a B-frame to the nearest
    reference on either side that was decoded before it. Where the bitstream does not say whether a
    B-frame is a reference, it counts as one if a frame displayed before it was decoded after it.
    That is exact for one reference picture a direction; an encoder that picks an older one makes
    movement look faster, by at most the number of its references.
    """

    def __init__(self) -> None:
        self._sent: deque[Coded] = deque(maxlen=_MEMORY)
        self._anchor: int | None = None
        self._b_reference: Coded | None = None
        self._previous: int | None = None
        self._since_anchor = 0

    def send(self, coded: Coded) -> None:
        """Notes a packet on its way into the decoder."""
        self._sent.append(coded)

    def span(self, coded: Coded | None, kind: FrameType) -> Span:
        """Returns the factors for the next frame in display order, and moves on to it.

        Without presentation times, P-frames are counted back to the last I- or P-frame, and
        B-frames are taken to lie right between two frames.
        """
        self._since_anchor += 1
        pts = coded.pts if coded else None
        span = None if coded is None or pts is None else self._timed(coded, pts, kind)
        if span is None:
            span = Span(1.0 / self._since_anchor, 1.0)
        self._move_on(coded, pts, kind)
        return span

    def _timed(self, coded: Coded, pts: int, kind: FrameType) -> Span | None:
        if self._previous is None or self._anchor is None:
            return None
        step, past, future = pts - self._previous, self._anchor, None
        if kind == "B":
            reference = self._b_reference
            if reference and reference.pts is not None and reference.order < coded.order:
                past = max(past, reference.pts)
            future = self._next_reference(coded, pts)
        if step <= 0 or pts <= past:
            return None
        return Span(step / (pts - past), step / (future - pts) if future is not None else 1.0)

    def _next_reference(self, coded: Coded, pts: int) -> int | None:
        later = (
            c.pts for c in self._sent if c.order < coded.order and c.pts is not None and c.pts > pts
        )
        return min(later, default=None)

    def _move_on(self, coded: Coded | None, pts: int | None, kind: FrameType) -> None:
        self._previous = pts
        if kind != "B":
            self._anchor, self._since_anchor, self._b_reference = pts, 0, None
        elif coded and pts is not None and self._is_reference(coded, pts):
            self._b_reference = coded

    def _is_reference(self, coded: Coded, pts: int) -> bool:
        if coded.reference is not None:
            return coded.reference
        return any(c.order > coded.order and c.pts is not None and c.pts < pts for c in self._sent)
