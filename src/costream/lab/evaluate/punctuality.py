"""How late results come when cameras send in real time."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from math import inf
from time import monotonic

import numpy as np

from costream.engine.result import Result
from costream.errors import SettingsError

SETTLED = 2
"""Strides after the first answer of the last camera from which on windows count."""


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How late results came.

    Attributes:
        delays: seconds from when a window's last frame was there to its answers.
        stride: seconds after which the next window's last frame is there, and this one is due.
    """

    delays: tuple[float, ...]
    stride: float

    def delay(self, percent: float) -> float:
        """Returns a percentile of the delays, in seconds."""
        return float(np.percentile(self.delays, percent))

    def lag(self, percent: float) -> float:
        """Returns a percentile of how far results came behind their due time, in seconds."""
        return float(np.percentile(np.maximum(0, np.subtract(self.delays, self.stride)), percent))


def measure_punctuality(
    results: Generator[Result, None, None],
    streams: int,
    *,
    stride: float,
    seconds: float,
    length: float,
) -> Punctuality:
    """Watches cameras that send in real time.

    Windows count whose last frame was there two strides after every camera had its first answer, or
    later. One that is overdue at the end counts by how long it has waited.

    Args:
        results: those of all cameras, as they come; closed in the end.
        streams: how many cameras there are.
        stride: of the window, in seconds.
        seconds: for how long windows count.
        length: of the shortest recording, in seconds: no window is waited for behind it.

    Raises:
        SettingsError: the recordings are too short.
    """
    delays, latest, begin = list[float](), dict[str, _Latest](), inf
    with closing(results):
        for result in results:
            now = monotonic()
            there = now - (result.lag or 0.0)
            latest[result.stream] = _Latest(there, result.end)
            if begin == inf and len(latest) == streams:
                begin = now + SETTLED * stride
            if there >= begin:
                delays.append(result.lag or 0.0)
            if now >= begin + seconds:
                waits = (
                    wait for last in latest.values() for wait in last.waits(now, stride, length)
                )
                delays += [wait for wait in waits if now - wait >= begin]
                break
    if not delays:
        raise SettingsError("no window came in real time: name longer sources, or fewer --seconds")
    return Punctuality(tuple(delays), stride)


@dataclass(frozen=True, slots=True)
class _Latest:
    """The last window of a camera that was answered.

    Attributes:
        there: when its last frame was there.
        end: where it ends in stream time.
    """

    there: float
    end: float

    def waits(self, now: float, stride: float, length: float) -> list[float]:
        """Returns for how long the windows behind it have waited that are overdue."""
        windows = max(0, int((length - self.end) / stride)) if length < inf else sys.maxsize
        overdue = int((now - self.there) / stride) - 1
        return [now - self.there - n * stride for n in range(1, min(windows, overdue) + 1)]
