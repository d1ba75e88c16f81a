"""A change of the light over the whole picture: a lamp, a cloud, the camera's own exposure."""

from __future__ import annotations

from dataclasses import dataclass
from math import sin

from costream.errors import SettingsError


@dataclass(frozen=True, slots=True)
class LightChange:
    """The picture's brightness moves from what it was to ``gain`` times that, and stays there.

    Attributes:
        start: when it begins, in seconds of the camera's clock.
        seconds: how long it takes; 0 is a switch.
        gain: factor reached in the end.

    Raises:
        SettingsError: ``seconds`` is negative or ``gain`` is not positive.
    """

    start: float
    seconds: float
    gain: float

    def __post_init__(self) -> None:
        if self.seconds < 0 or not self.gain > 0:
            raise SettingsError("a change of light takes 0 seconds or more, to a positive gain")

    def at(self, time: float) -> float:
        """Returns the factor at a time."""
        if time < self.start:
            return 1.0
        if time >= self.start + self.seconds:
            return self.gain
        return 1.0 + (self.gain - 1.0) * (time - self.start) / self.seconds


def drift_of(time: float, seed: int) -> float:
    """How daylight drifts, -1..1: two slow waves, so that no two minutes are quite alike."""
    return 0.7 * sin(time / 17 + seed) + 0.3 * sin(time / 5.3 + 2 * seed)
