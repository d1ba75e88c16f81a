"""How far what was followed of a stream is believed: by what decoded pictures showed of it."""

from __future__ import annotations

LIMIT = 4.0
"""Luma steps, of 255, by which the mean of no 8 x 8 samples may have changed since the picture that
stands for others: what counts as change differs by five at least."""

MOST_LIMIT = 4.5
"""The same at most, where all that was decoded to compare agreed: an encoder's noise in one of ten
thousand places comes to 4, and would look like change again and again."""

LEAST_LIMIT = 2.0
"""The same where changes were seen late: below, an encoder's noise alone looks like change."""

CHANGED = 5.0
"""Luma steps by which a decoded picture differs where a change was missed."""

KEPT = 5.0
"""Luma steps from which on a rule may keep a place for what it kept of it before."""

SIZE_MARGIN = 0.1
"""Share by which a random access point's size may differ from those that agreed."""

AUDIT = 1.0
"""Seconds after which the next random access point is decoded to compare, once the first one after
a change agreed: each that agrees doubles them."""

MAX_AUDIT = 30.0
"""Seconds at most from one random access point that is decoded to the next."""

EVEN = 0.5
"""Luma steps by which the whole picture's mean may have changed where nothing changed but noise."""

SURPRISE = 2.5
"""Luma steps by which a random access point's own coding may add to what was followed."""

HOLD_OFF = 8.0
"""Seconds for which everything is decoded where changes are missed at the least limit: at first,
doubled each time."""

MAX_HOLD_OFF = 256.0
"""The same at most."""

_LOWER = 0.75
_RAISE = 1.1


class Trust:
    """Of one stream, what is believed of it without looking, and for how long.

    Two things are believed, and each is checked by pictures that are decoded anyway or seldom
    enough:

    * that a **random access point** that is not decoded looks like what was before it. After a
      change that is more than light the next one is decoded, and each that agrees has those that
      come in twice the time left alone. An encoder that is short of bits draws what moves in them
      alone.
    * that **followed means** tell a change when it comes. Where the pictures that are decoded
      because of one show that it had come at an earlier tick, a smaller change of the means counts
      from then on; where the limit is as low as it can be, all is decoded for some time.

    Attributes:
        limit: luma steps of 255 by which followed means may have changed.
    """

    def __init__(self) -> None:
        self.limit = LIMIT
        self._interval = 0.0
        self._sizes = (0, 0)  # bytes of the smallest and the largest access point that agreed
        self._checked_at = 0.0
        self._hold_off = 0.0
        self._doubted_until = 0.0

    def is_audit_due(self, time: float, size: int) -> bool:
        """Whether a random access point is to be decoded.

        Args:
            time: its stream time in seconds.
            size: its bytes: one that shows what others did not has more, or fewer.
        """
        least, most = self._sizes
        if not (1 - SIZE_MARGIN) * least <= size <= (1 + SIZE_MARGIN) * most:
            return True
        return self.age(time) > self._interval

    def age(self, time: float) -> float:
        """Returns seconds since all of a picture was known."""
        return time - self._checked_at

    def check(self, time: float) -> None:
        """Notes that all of a picture was known at a time."""
        self._checked_at = time

    def audit(self, time: float, size: int, change: float, expected: float, light: float) -> bool:
        """Notes that a random access point was decoded; returns whether it agreed.

        Args:
            time: its stream time in seconds.
            size: its bytes.
            change: luma steps of 255 by which it differs from the picture shown last.
            expected: the same by what was followed. Where it is nearly as much, what changes is
                light, and was seen to come.
            light: the same of the whole picture's mean.
        """
        self.check(time)
        if change <= LIMIT:
            # Light that was not followed: such points change what nobody reads.
            unread = light > EVEN and change > max(expected, LIMIT / 2)
            self._interval = min((1 if unread else 2) * self._interval, MAX_AUDIT) or AUDIT
            self.limit = min(self.limit * _RAISE, MOST_LIMIT)
            least, most = self._sizes
            self._sizes = (min(least, size) or size, max(most, size))
        elif change > expected + SURPRISE:
            self._interval = 0.0
        return change < KEPT

    def change(self, by: float) -> None:
        """Notes that a picture was shown which differs by so many steps of 255 from the one before.

        Where it is little more than the limit it is light that adds up, and nothing that moves.
        """
        if by <= 2 * LIMIT:
            self._interval /= 2
            return
        self._interval = 0.0
        self._sizes = (0, 0)

    def miss(self, time: float) -> None:
        """Notes that a change was there at an earlier tick than followed means told."""
        if self.limit > LEAST_LIMIT:
            self.limit = max(self.limit * _LOWER, LEAST_LIMIT)
            return
        self._hold_off = min(2 * self._hold_off, MAX_HOLD_OFF) or HOLD_OFF
        self._doubted_until = time + self._hold_off

    def is_doubted(self, time: float) -> bool:
        """Whether nothing is to be followed at a time."""
        return time < self._doubted_until
