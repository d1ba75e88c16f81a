"""Whether the light of a stream stands."""

from __future__ import annotations

from collections import deque

SPANS = ((3.0, 0.5), (16.0, 3.0))
"""Seconds, and luma steps of 255 by which light that stands may change within them. The first
bounds its pace, and the second finds light that turns, or turned just now."""

ALL = 255.0
"""Luma steps that count where light changed by more than can be told."""


class SteadyLight:
    """Says whether the light stood, of late and now.

    While it changes, which groups a rule keeps hangs on every picture that it sees: of pictures
    that look alike to a player, some taken away, it comes to other decisions.

    Attributes:
        stands: whether it did at the picture that was noted last.
    """

    def __init__(self) -> None:
        self.stands = True
        self._level = 0.0
        self._levels: deque[tuple[float, float]] = deque()

    def note(self, time: float, by: float) -> None:
        """Notes the light of a picture.

        Args:
            time: the picture's, in seconds. It never goes back.
            by: luma steps of 255 by which the light changed since the picture noted before.
        """
        self._level += min(by, ALL)
        self._levels.append((time, self._level))
        while self._levels[0][0] < time - SPANS[-1][0]:
            self._levels.popleft()
        self.stands = all(self._range(time - span) <= most for span, most in SPANS)

    def _range(self, since: float) -> float:
        levels = [level for time, level in self._levels if time >= since]
        return max(levels) - min(levels)
