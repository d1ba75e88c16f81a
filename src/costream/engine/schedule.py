"""When windows begin and end, and which temporal patches are new in each.

Everything is counted in ticks, the stream's sampling grid, so that no rounding of seconds decides
what a window holds. Tick ``t`` stands for the stream time ``t / fps``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from costream.errors import SettingsError
from costream.video import Sample

HELD_WINDOWS = 2
"""Windows from one anchor to the next where pruned groups stay in sight."""


@dataclass(frozen=True, slots=True)
class Tubelet:
    """The samples of one temporal patch. The model sees them as one grid of tokens.

    Attributes:
        tick: its first tick, a multiple of the temporal patch's frames.
        samples: one or more; the stream may have had no frame for some of its ticks.
    """

    tick: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A position of the window on the stream.

    Attributes:
        index: its number, from 0. Numbers of windows without any frame are left out.
        start: first tick in it.
        end: first tick behind it.
        arrivals: the temporal patches that no earlier window held, in order.
    """

    index: int
    start: int
    end: int
    arrivals: tuple[Tubelet, ...]

    def last(self, ticks: int) -> Window:
        """Returns the window's last ticks alone: a later start and the arrivals behind it."""
        start = max(self.start, self.end - ticks)
        arrivals = tuple(tubelet for tubelet in self.arrivals if tubelet.tick >= start)
        return replace(self, start=start, arrivals=arrivals)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Length and stride of the window.

    Attributes:
        fps: ticks a second.
        window: its length in ticks.
        stride: how far it moves, in ticks.
        patch: ticks of a temporal patch; window and stride are multiples of it.
        recent: ticks at the window's end that the model is shown.
    """

    fps: float
    window: int
    stride: int
    patch: int
    recent: int

    @classmethod
    def from_seconds(
        cls, fps: float, window: float, stride: float, patch: int, recent: float | None = None
    ) -> Schedule:
        """Converts lengths in seconds to ticks; without ``recent``, all of the window is shown.

        Raises:
            SettingsError: a length is not a whole number of temporal patches.
        """
        return cls(
            fps=fps,
            window=_ticks("window", window, fps, patch),
            stride=_ticks("stride", stride, fps, patch),
            patch=patch,
            recent=_ticks("recent part", min(recent or window, window), fps, patch),
        )

    def windows(self, samples: Iterable[Sample]) -> Iterator[Window]:
        """Yields each window as soon as its last temporal patch is complete.

        At the end of the stream one more window may follow: it holds what came since the last one
        and ends with the stream. A stream shorter than one window gives one window.
        """
        index, arrivals = 0, list[Tubelet]()
        last = -self.window
        for tubelet in self._tubelets(samples):
            while tubelet.tick >= self._end(index):
                if last >= index * self.stride:
                    yield self._window(index, arrivals)
                    arrivals = []
                index += 1
            arrivals.append(tubelet)
            last = tubelet.samples[-1].tick
            # Not waiting for the next frame: it may be a whole tick away.
            if tubelet.tick + self.patch == self._end(index):
                yield self._window(index, arrivals)
                arrivals = []
                index += 1
        if arrivals:
            yield self._window(index, arrivals, end=last + 1)

    def _window(self, index: int, arrivals: list[Tubelet], end: int | None = None) -> Window:
        return Window(index, index * self.stride, end or self._end(index), tuple(arrivals))

    def _end(self, index: int) -> int:
        return index * self.stride + self.window

    def _tubelets(self, samples: Iterable[Sample]) -> Iterator[Tubelet]:
        waiting: list[Sample] = []
        for sample in samples:
            if waiting and sample.tick // self.patch != waiting[0].tick // self.patch:
                yield self._tubelet(waiting)
                waiting = []
            waiting.append(sample)
            if sample.tick % self.patch == self.patch - 1:
                yield self._tubelet(waiting)
                waiting = []
        if waiting:
            yield self._tubelet(waiting)

    def _tubelet(self, samples: list[Sample]) -> Tubelet:
        return Tubelet(samples[0].tick // self.patch * self.patch, tuple(samples))


def _ticks(noun: str, seconds: float, fps: float, patch: int) -> int:
    ticks = seconds * fps
    if ticks < patch - 1e-6 or abs(ticks / patch - round(ticks / patch)) > 1e-6:
        raise SettingsError(
            f"a {noun} of {seconds:g} s does not hold a whole number of frames at {fps:g} a second "
            f"for this model, which takes them by {patch}: choose a multiple of {patch / fps:g} s"
        )
    return round(ticks)
