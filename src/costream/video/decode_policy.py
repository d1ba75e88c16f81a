"""Whether a stream's units are decoded as they come, held and followed, or caught up with."""

from __future__ import annotations

from enum import Enum

from costream.video.decode_count import Reason

LIGHT = 8.0
"""Luma steps, of 255, by which no mean of 8 x 8 samples changes at once where it is light that adds
up, and nothing that moves."""

MAX_PAUSE = 32
"""Still ticks in a row, at most, after which a stream that changed is tried again: one at first,
doubled each time that it changes soon."""

FIRST = 6
"""Ticks that are decoded before a stream is followed at all: how much a stream flickers is told by
pictures one after the other."""

FORESIGHT = 4
"""Times as long as it was still a stream may well stay still: what is held is saved if it stays so
until a random access point."""

MAX_WASTE = 128
"""The same where following saved nothing, since all that was held had to be decoded."""

SETTLED = 4
"""Ticks without a change after which the next change is no reason to wait for more still ones."""


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

    After a change a stream is followed again once ticks are still, whose pictures are all decoded.
    One that changes soon all the same, or of which all that was held has to be decoded again and
    again, has to be still for ever longer, so that it costs little more than decoding.

    Attributes:
        state: the state.
        reason: why units are decoded that are decoded now.
        why_whole: why the stream is decoded whole; empty where it isn't.
        is_urgent: in CATCHING_UP, all that is held has to be decoded.
    """

    def __init__(self) -> None:
        self.state = State.DECODING
        self.reason: Reason = "start"
        self.why_whole = ""
        self.is_urgent = False
        self._quiet = 0  # ticks since followed
        self._saved = False
        self._seen = 0  # ticks with a picture
        self._rest = -1  # still ones in a row; -1: something moves
        self._patience = 0  # still ones that it takes
        self._restarts = self._bounds = 0  # to wait for; waited for the last time
        self._since = self._period = 0  # ticks since a random access point; between the last two

    def reach_restart(self) -> None:
        """Notes that a random access point arrived."""
        self._restarts = max(0, self._restarts - 1)
        self._period, self._since = self._since, 0

    def save(self) -> None:
        """Notes that units were dropped undecoded."""
        self._saved = True

    def still(self) -> None:
        """Notes a tick in which nothing changed."""
        self._quiet += 1
        self._since += 1

    def look(self, change: float, limit: float) -> None:
        """Notes that a tick's picture was decoded.

        Args:
            change: the largest difference from the picture at which pictures came to rest.
            limit: where the change is within it, the tick would have been passed if pictures had
                been followed from there.
        """
        self._seen += 1
        self._since += 1
        if change <= limit:
            self._rest = max(self._rest, 0) + 1
        else:
            self._rest = 0 if change <= LIGHT else -1

    def may_follow(self) -> bool:
        """Whether units may be followed from the picture of this tick on."""
        if self.state is State.WHOLE or self.is_urgent or self._restarts:
            return False
        return self._seen >= FIRST and self._rest >= self._still_ticks

    @property
    def _still_ticks(self) -> int:
        """Still ticks in a row that it takes to follow."""
        if not self._patience:
            return 0
        # Where the next random access point is overdue, it may take as long again.
        ahead = self._period - self._since if self._since < self._period else self._since
        return max(self._patience, min(ahead // FORESIGHT, MAX_PAUSE))

    def follow(self) -> None:
        """Holds and follows units from now on."""
        self.state = State.FOLLOWING
        self._quiet = 0
        self._saved = False

    def wake(self, reason: Reason, *, urgent: bool) -> None:
        """Has what is held decoded.

        Args:
            reason: why.
            urgent: all of it, whatever it shows.
        """
        self.state, self.reason, self.is_urgent = State.CATCHING_UP, reason, urgent
        self._rest = -1
        if reason == "bound":
            # All that was held had to be decoded, and will have to be next time.
            self._bounds = self._restarts = min(max(1, 2 * self._bounds), MAX_PAUSE)
            return
        if self._saved and self._quiet >= SETTLED:
            self._patience = 0
        else:
            most = MAX_PAUSE if self._saved or self._quiet < SETTLED else MAX_WASTE
            self._patience = min(max(1, 2 * self._patience), max(most, self._patience))

    def caught_up(self) -> None:
        """All that was held is decoded."""
        self.is_urgent = False
        if self.state is State.CATCHING_UP:
            self.state = State.DECODING
            self.reason = "busy" if self.reason == "change" else self.reason

    def give_up(self, why: str) -> None:
        """Decodes everything, for good."""
        self.state, self.reason, self.why_whole = State.WHOLE, "whole", why
