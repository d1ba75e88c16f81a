"""Whether a stream's units are decoded as they come, held and followed, or caught up with."""

from __future__ import annotations

from enum import Enum

from costream.video.decode_count import Reason

MAX_PAUSE = 32
"""Ticks, at most, for which a stream that changes is decoded before it is tried again: one at
first, doubled each time in between."""

SETTLED = 4
"""Ticks without a change after which the next change is no reason to pause."""


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

    A stream that keeps changing is tried again ever more seldom, so that it costs little more than
    decoding.

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
        self._pause = self._patience = 0
        self._restarts = self._bounds = 0  # to wait for; waited for the last time

    def reach_restart(self) -> None:
        """Notes that a random access point arrived."""
        self._restarts = max(0, self._restarts - 1)

    def still(self) -> None:
        """Notes a tick in which nothing changed."""
        self._quiet += 1

    def may_follow(self) -> bool:
        """Whether units may be followed from the picture of a tick on; asked once a tick."""
        if self.state is State.WHOLE or self.is_urgent:
            return False
        self._pause = max(0, self._pause - 1)
        return not self._pause and not self._restarts

    def follow(self) -> None:
        """Holds and follows units from now on."""
        self.state = State.FOLLOWING
        self._quiet = 0

    def wake(self, reason: Reason, *, urgent: bool) -> None:
        """Has what is held decoded.

        Args:
            reason: why.
            urgent: all of it, whatever it shows.
        """
        self.state, self.reason, self.is_urgent = State.CATCHING_UP, reason, urgent
        if reason == "bound":
            # All that was held had to be decoded, and will have to be next time.
            self._bounds = self._restarts = min(max(1, 2 * self._bounds), MAX_PAUSE)
            return
        if self._quiet >= SETTLED:
            self._patience = 0
        else:
            self._patience = min(max(1, 2 * self._patience), MAX_PAUSE)
        self._pause = self._patience

    def caught_up(self) -> None:
        """All that was held is decoded."""
        self.is_urgent = False
        if self.state is State.CATCHING_UP:
            self.state = State.DECODING
            self.reason = "busy" if self.reason == "change" else self.reason

    def give_up(self, why: str) -> None:
        """Decodes everything, for good."""
        self.state, self.reason, self.why_whole = State.WHOLE, "whole", why
