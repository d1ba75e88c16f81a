"""Access units between their arrival, their decoding and their display."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterator

from costream.video.access_unit import AccessUnit

MAX_UNITS = 1024
"""Units held at most."""

MAX_BYTES = 4 << 20
"""Bytes of units held at most."""


class UnitQueue:
    """One stream's units, in two orders: of display, and of decoding as far as they are held.

    A unit is filed when it arrives and leaves the order of display when it is displayed. While
    units are held they are not decoded.

    Attributes:
        is_broken: units were dropped that the decoder would need to go on: it has to restart at
            what is held first, or at what arrives next if nothing is.
    """

    def __init__(self) -> None:
        """Starts empty."""
        self.is_broken = False
        self._display: list[AccessUnit] = []
        self._held: deque[AccessUnit] = deque()
        self._bytes = 0

    def file(self, unit: AccessUnit) -> None:
        """Takes a unit that arrived, which has a presentation time."""
        display, time = self._display, unit.coded.pts
        assert time is not None
        if not display or _time(display[-1]) <= time:
            display.append(unit)
        else:
            bisect.insort(display, unit, key=_time)

    def hold(self, unit: AccessUnit) -> None:
        """Keeps a unit that was filed from being decoded."""
        self._held.append(unit)
        self._bytes += unit.coded.size

    @property
    def head(self) -> AccessUnit | None:
        """The unit that is displayed next, of those that arrived."""
        return self._display[0] if self._display else None

    @property
    def held(self) -> deque[AccessUnit]:
        """The units that are held, in decoding order; not the caller's to change."""
        return self._held

    @property
    def is_full(self) -> bool:
        """Whether more is held than may be."""
        return len(self._held) > MAX_UNITS or self._bytes > MAX_BYTES

    def before(self, unit: AccessUnit) -> AccessUnit | None:
        """Returns the unit that is displayed right before another, if it is still to be."""
        at = bisect.bisect_left(self._display, _time(unit), key=_time)
        return self._display[at - 1] if at else None

    def display_head(self) -> AccessUnit:
        """Takes the head off the order of display."""
        return self._display.pop(0)

    def display_up_to(self, unit: AccessUnit | None) -> Iterator[AccessUnit]:
        """Takes off all that are displayed before a unit, and it; yields those before.

        Args:
            unit: None for the stream's end.
        """
        end = None if unit is None else bisect.bisect_right(self._display, _time(unit), key=_time)
        due, self._display = self._display[:end], [] if end is None else self._display[end:]
        for other in due:
            if other is not unit:
                yield other

    def release(self) -> AccessUnit | None:
        """Returns the unit that is decoded next, of those that are held, and holds it no more."""
        if not self._held:
            return None
        unit = self._held.popleft()
        self._bytes -= unit.coded.size
        return unit

    def drop_before(self, restart: AccessUnit) -> tuple[int, int]:
        """Drops what was held before a random access point that is about to be displayed.

        Pictures that follow it in decoding order but not in display order may refer to what is
        dropped, and were displayed: they go as well. Returns how many there were, and their bytes.
        """
        if self._held and self._held[0] is restart:
            return 0, 0
        kept = deque(unit for unit in self._held if _time(unit) >= _time(restart))
        dropped = len(self._held) - len(kept), self._bytes
        self.is_broken |= dropped[0] > 0
        self._held = kept
        self._bytes = sum(unit.coded.size for unit in kept)
        return dropped[0], dropped[1] - self._bytes


def _time(unit: AccessUnit) -> int:
    assert unit.coded.pts is not None
    return unit.coded.pts
