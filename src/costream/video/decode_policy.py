"""Whether a stream's units are decoded as they come, held and followed, or caught up with."""

from __future__ import annotations

from enum import Enum

from costream.video.decode_count import Reason

FIRST = 6
"""Ticks that are decoded before a stream is followed at all: how much a stream flickers is told by
pictures one after the other."""

FOLLOWED_PICTURE, FOLLOWED_BYTE = 0.05, 1.5
"""What following a unit costs: for its picture, and for each byte a macroblock. Decoding it costs 1
for either. So bits are what following costs, and where there are many it takes as long as decoding.
A byte takes 1.0 (H.265) to 1.6 times as long to read as decoding takes for a macroblock."""

SMALLEST = 300.0
"""Macroblocks for whose samples decoding takes as long as for all that a picture takes besides."""

EARNED = 0.015
"""What following may cost in vain, as a share of what is decoded as it comes."""

FIRST_CREDIT, MAX_CREDIT = 4.0, 32.0
"""Credit at first and at most, in pictures decoded."""


class DecodeWish:
    """What whoever watches a source wants of its decoding. Any thread may set it at any time.

    Attributes:
        all: every picture, until it is false again, whatever the bitstream says of it.
    """

    def __init__(self) -> None:
        self.all = False


class State(Enum):
    """What is done with a unit that arrives."""

    DECODING = "decoding"
    """It is decoded. From a tick's picture on units may be followed."""

    FOLLOWING = "following"
    """It is held, and followed where somebody has to know."""

    CATCHING_UP = "catching up"
    """None arrives: what was held is being decoded, up to a picture from which to follow again, or
    all of it."""

    WHOLE = "whole"
    """It is decoded, for good."""


class Policy:
    """The state of one stream, and when it may change.

    ======================  =======================================================
    DECODING, CATCHING_UP   to FOLLOWING, by :meth:`follow`, where :meth:`may_follow`
    FOLLOWING               to CATCHING_UP, by :meth:`wake`
    CATCHING_UP             to DECODING, by :meth:`caught_up`
    any                     to WHOLE, by :meth:`give_up`
    ======================  =======================================================

    Following a unit that has to be decoded all the same is in vain, and has a **budget**: a unit
    that is decoded as it comes earns a little credit, one that is followed in vain spends some, one
    that is never decoded earns what it saves. What a unit costs follows from its size. Following
    begins at a tick whose picture rests, while there is credit; without any, pictures are not even
    looked at. So whatever a stream shows, following costs at most :data:`EARNED` of decoding
    all of it, and once what is held at one time.

    Attributes:
        state: the state.
        reason: why units are decoded that are decoded now.
        why_whole: why the stream is decoded whole; empty where it isn't.
        is_urgent: in CATCHING_UP, all that is held has to be decoded.
    """

    def __init__(self, macroblocks: float) -> None:
        """Starts with a stream.

        Args:
            macroblocks: of a picture, of 16 x 16 samples each.
        """
        self.state = State.DECODING
        self.reason: Reason = "start"
        self.why_whole = ""
        self.is_urgent = False
        self._macroblocks = max(macroblocks, SMALLEST)
        self._credit = FIRST_CREDIT
        self._seen = 0  # ticks with a picture
        self._rests = False  # at the last one

    def earn(self, size: int) -> None:
        """Notes that a unit of so many bytes was decoded as it came."""
        self._add(EARNED * self._decoding(1, size))

    def save(self, units: int, size: int) -> None:
        """Notes that so many units, of so many bytes together, were followed and never decoded."""
        self._add(max(0.0, self._decoding(units, size) - self._following(units, size)))

    def waste(self, size: int, *, again: bool = False) -> None:
        """Notes that a unit that was followed is decoded all the same.

        Args:
            size: its bytes.
            again: it was decoded before.
        """
        self._add(-self._following(1, size) - again * self._decoding(1, size))

    def _decoding(self, units: int, size: int) -> float:
        return units + size / self._macroblocks

    def _following(self, units: int, size: int) -> float:
        return FOLLOWED_PICTURE * units + FOLLOWED_BYTE * size / self._macroblocks

    def _add(self, credit: float) -> None:
        self._credit = min(self._credit + credit, MAX_CREDIT)

    def tick(self) -> bool:
        """Notes that a tick's picture was decoded.

        Returns whether it is worth a :meth:`look`: units could be followed from it on.
        """
        self._rests = False
        return self._seen < FIRST or self._credit > 0

    def look(self, *, rests: bool) -> None:
        """Notes what the picture of this tick shows.

        Args:
            rests: the light stands, and the tick would have been passed if pictures had been
                followed from the one at which they came to rest.
        """
        self._seen += 1
        self._rests = rests

    def may_follow(self) -> bool:
        """Whether units may be followed from the picture of this tick on."""
        if self.state is State.WHOLE or self.is_urgent:
            return False
        return self._seen >= FIRST and self._rests and self._credit > 0

    def follow(self) -> None:
        """Holds and follows units from now on."""
        self.state = State.FOLLOWING

    def wake(self, reason: Reason, *, urgent: bool) -> None:
        """Has what is held decoded.

        Args:
            reason: why.
            urgent: all of it, whatever it shows.
        """
        self.state, self.reason, self.is_urgent = State.CATCHING_UP, reason, urgent

    def caught_up(self) -> None:
        """All that was held is decoded."""
        self.is_urgent = False
        if self.state is State.CATCHING_UP:
            self.state = State.DECODING
            self.reason = "busy" if self.reason == "change" else self.reason

    def give_up(self, why: str) -> None:
        """Decodes everything, for good."""
        self.state, self.reason, self.why_whole = State.WHOLE, "whole", why
