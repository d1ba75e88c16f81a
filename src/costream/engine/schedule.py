"""When windows begin and end, and which temporal patches are new in each.

Everything is counted in ticks, the stream's sampling grid, so that no rounding of seconds decides
what a window holds. Tick ``t`` stands for the stream time ``t / fps``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from costream.errors import SettingsError
from costream.video import Gap, Sample

HELD_WINDOWS = 2
"""Windows from one anchor to the next where pruned groups are carried over."""


@dataclass(frozen=True, slots=True)
class Tubelet:
    """The samples of one temporal patch. The model sees them as one grid of tokens.

    Attributes:
        tick: its first tick, a multiple of the temporal patch's frames.
        samples: one or more; the stream may have had no frame for some of its ticks.
    """

    tick: int
    samples: tuple[Sample, ...]

    @property
    def last_tick(self) -> int:
        """The tick of its last sample."""
        return self.samples[-1].tick


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

    @property
    def received(self) -> float | None:
        """When the last of its new frames was received, of a live source: see :class:`Sample`."""
        return self.arrivals[-1].samples[-1].received if self.arrivals else None

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
        grows: whether windows begin at the stream's start, each a stride longer than the one
            before, until they are as long as ``window``.
    """

    fps: float
    window: int
    stride: int
    patch: int
    recent: int
    grows: bool = False

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

    @property
    def first_end(self) -> int:
        """The first tick behind the first window."""
        return self.stride if self.grows else self.window

    def end(self, index: int) -> int:
        """Returns the first tick behind a window of that number, unless the stream ends before."""
        return index * self.stride + self.first_end

    def first_behind(self, tick: int) -> int:
        """Returns the number of the first window that ends behind a tick."""
        return max(0, (tick - self.first_end) // self.stride + 1)

    def start(self, index: int, end: int) -> int:
        """Returns the first tick of a window of that number that ends so."""
        return max(0, end - self.window) if self.grows else index * self.stride

    def next_start(self, index: int, start: int) -> int:
        """Returns a tick before which no window begins that follows another, unless it grows.

        Args:
            index: number of that window.
            start: its first tick; later than where it lies where only its end is shown.
        """
        return max(start, (index + 1) * self.stride)

    def windows(self, items: Iterable[Sample | Gap]) -> Iterator[Window]:
        """Yields each window as soon as its last temporal patch is complete.

        At the end of the stream one more window may follow: it holds what came since the last one
        and ends with the stream. A stream shorter than one window gives one window.

        A gap of a live source leaves holes in the windows around it. When the source is lost, one
        window holds what came since the last one, as at the end of a stream. Windows that ended
        while it was away, or among frames that were skipped, are left out: the next one is the
        first with a whole stride of frames from behind the gap, and with what it still holds of
        before.
        """
        course = _Course(self)
        for item in self.tubelets(items):
            if isinstance(item, Tubelet):
                yield from course.add(item)
            elif item.kind == "lost":
                yield from course.end()
            else:
                course.severed = True
        yield from course.end()

    def tubelets(self, items: Iterable[Sample | Gap]) -> Iterator[Tubelet | Gap]:
        """Yields the temporal patches that samples make, and gaps where they are."""
        waiting: list[Sample] = []
        for item in items:
            if waiting and (isinstance(item, Gap) or not self._shares_patch(item, waiting[0])):
                yield self._tubelet(waiting)
                waiting = []
            if isinstance(item, Gap):
                yield item
                continue
            waiting.append(item)
            if item.tick % self.patch == self.patch - 1:
                yield self._tubelet(waiting)
                waiting = []
        if waiting:
            yield self._tubelet(waiting)

    def _shares_patch(self, one: Sample, other: Sample) -> bool:
        return one.tick // self.patch == other.tick // self.patch

    def _tubelet(self, samples: list[Sample]) -> Tubelet:
        return Tubelet(samples[0].tick // self.patch * self.patch, tuple(samples))


class _Course:
    """How far the window has come on a stream.

    Attributes:
        severed: a gap lies between the last temporal patch and the next.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.severed = False
        self._schedule = schedule
        self._index = 0
        self._arrivals: list[Tubelet] = []
        self._last = -schedule.window

    def add(self, tubelet: Tubelet) -> Iterator[Window]:
        """Goes on by a temporal patch; yields the windows that end before or with it."""
        if self.severed:
            self._leave_out(tubelet.samples[0].tick)
        while tubelet.tick >= self._end:
            if self._last >= self._start:
                yield self._take(self._end)
            else:
                self._index = self._schedule.first_behind(tubelet.tick)
        self._arrivals.append(tubelet)
        self._last = tubelet.last_tick
        # Not waiting for the next frame: it may be a whole tick away.
        if self._last + 1 == self._end:
            yield self._take(self._end)

    def end(self) -> Iterator[Window]:
        """Yields what came since the last window, if anything did."""
        if self._arrivals:
            yield self._take(self._last + 1)

    def _take(self, end: int) -> Window:
        start, index = self._schedule.start(self._index, end), self._index
        held = tuple(tubelet for tubelet in self._arrivals if tubelet.tick >= start)
        self._arrivals = []
        self._index += 1
        return Window(index, start, end, held)

    def _leave_out(self, tick: int) -> None:
        """Goes on to the first window that ends a stride behind a tick, or later."""
        schedule = self._schedule
        first = -((schedule.first_end - tick) // schedule.stride) + 1
        self._index = max(self._index, first)
        self.severed = False

    @property
    def _start(self) -> int:
        return self._schedule.start(self._index, self._end)

    @property
    def _end(self) -> int:
        return self._schedule.end(self._index)


def _ticks(noun: str, seconds: float, fps: float, patch: int) -> int:
    ticks = seconds * fps
    if ticks < patch - 1e-6 or abs(ticks / patch - round(ticks / patch)) > 1e-6:
        raise SettingsError(
            f"a {noun} of {seconds:g} s does not hold a whole number of frames at {fps:g} a second "
            f"for this model, which takes them by {patch}: choose a multiple of {patch / fps:g} s"
        )
    return round(ticks)
