"""What comes from a camera, ready for the engine: windows, masks and kept patches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter, thread_time

import numpy as np
import numpy.typing as npt

from costream.audit import AuditReport
from costream.engine.schedule import Schedule, Tubelet, Window
from costream.engine.view import GridView
from costream.preprocessing import FrameGeometry, Preprocessing
from costream.pruning import KeepMask, Pruner
from costream.video import (
    ChangeMap,
    DecodeCount,
    DeferredSource,
    FrameRecord,
    Gap,
    Sample,
    SampleSource,
    Stream,
)
from costream.video.past import Past, PastFrame

OnFrame = Callable[[FrameRecord], None]
"""Told of every native frame: as it is decoded, or, where another thread or process reads the
stream, in the engine's thread, in order with the windows."""

OnGap = Callable[[Gap], None]
"""Told of every gap of a live source, in the engine's thread, in order with its results."""

OnWindow = Callable[["WindowOutline"], None]
"""Told of every window before it is run, in the engine's thread, in order with its results."""

OnAudit = Callable[[AuditReport], None]
"""Told what audits came to so far, in the engine's thread: when a window was checked, and when the
stream has ended."""

logger = logging.getLogger("costream")


@dataclass(frozen=True, slots=True)
class Reports:
    """Who is told while streams are read.

    Attributes:
        on_frame: of every native frame.
        on_gap: of every gap of a live source.
        on_window: of every window.
        on_audit: of what audits come to, in the engine's thread.
    """

    on_frame: OnFrame | None = None
    on_gap: OnGap | None = None
    on_window: OnWindow | None = None
    on_audit: OnAudit | None = None

    def tell(self, news: FrameRecord | Gap | WindowOutline) -> None:
        """Tells of a frame, a gap or a window where somebody is to be told."""
        if isinstance(news, Gap):
            if self.on_gap is not None:
                self.on_gap(news)
        elif isinstance(news, WindowOutline):
            if self.on_window is not None:
                self.on_window(news)
        elif self.on_frame is not None:
            self.on_frame(news)


@dataclass(frozen=True, slots=True)
class ReadingKnobs:
    """How a stream is read from its next window on.

    Attributes:
        threshold: see :meth:`~costream.pruning.Pruner.steer`.
        anchors: likewise.
        decode_all: every picture is decoded.
        thin: of so many temporal patches the first is shown.
    """

    threshold: float = 1.0
    anchors: float = 1.0
    decode_all: bool = False
    thin: int = 1


@dataclass(frozen=True, slots=True)
class FrameInput:
    """One temporal patch.

    Attributes:
        ticks: ticks of its first and its last frame.
        frames: how many frames it has.
        keep: the merge groups that are kept.
        patches: uint8 [kept patches, values], cut out of the resized frames: see
            :meth:`~costream.preprocessing.Preprocessing.patches`.
        encoded: groups that the vision encoder sees; more than are kept where the pruner looks at
            features.
        damaged: frames in whose interval the decoder met errors.
    """

    ticks: tuple[int, int]
    frames: int
    keep: KeepMask
    patches: npt.NDArray[np.uint8]
    encoded: int
    damaged: int


@dataclass(frozen=True, slots=True)
class FrameOutline:
    """What was kept of one temporal patch.

    Attributes:
        ticks: ticks of its first and its last frame.
        keep: the merge groups that the pruner kept.
        encoded: how many the vision encoder sees.
        damaged: frames in whose interval the decoder met errors.
    """

    ticks: tuple[int, int]
    keep: KeepMask
    encoded: int
    damaged: int


@dataclass(frozen=True, slots=True)
class WindowOutline:
    """A position of the window and what was kept of what is new in it, without the pixels.

    Attributes:
        index: its number.
        start: first tick in it.
        end: first tick behind it.
        frames: the temporal patches that no earlier window held, in order.
        received: see :class:`WindowInput`.
    """

    index: int
    start: int
    end: int
    frames: tuple[FrameOutline, ...]
    received: float | None


@dataclass(frozen=True, slots=True)
class ReadingCost:
    """What it cost to read some of a stream.

    Attributes:
        seconds: processor time.
        decoding: native frames by why they were decoded, or were not.
    """

    seconds: float = 0.0
    decoding: DecodeCount = field(default_factory=DecodeCount)

    def __add__(self, other: ReadingCost) -> ReadingCost:
        """Returns what both cost."""
        return ReadingCost(self.seconds + other.seconds, self.decoding + other.decoding)

    def __sub__(self, earlier: ReadingCost) -> ReadingCost:
        """Returns what it cost since."""
        return ReadingCost(self.seconds - earlier.seconds, self.decoding - earlier.decoding)


@dataclass(frozen=True, slots=True)
class WindowInput:
    """A position of the window, and what is new in it.

    Attributes:
        index: its number.
        start: first tick in it.
        end: first tick behind it.
        frames: the temporal patches that no earlier window held, in order.
        received: of a live source, when the last of its frames was received, on the clock of
            ``time.monotonic``.
        reading: what it cost to read it.
        prune_seconds: time spent on pruning and cutting it.
    """

    index: int
    start: int
    end: int
    frames: tuple[FrameInput, ...]
    received: float | None
    reading: ReadingCost
    prune_seconds: float

    def joined(self, later: WindowInput) -> WindowInput:
        """Returns a later window that holds what is new in this one as well."""
        return replace(
            later,
            frames=(*self.frames, *later.frames),
            reading=self.reading + later.reading,
            prune_seconds=self.prune_seconds + later.prune_seconds,
        )

    def outline(self) -> WindowOutline:
        """Returns what is told of it."""
        frames = tuple(FrameOutline(f.ticks, f.keep, f.encoded, f.damaged) for f in self.frames)
        return WindowOutline(self.index, self.start, self.end, frames, self.received)


@dataclass(frozen=True, slots=True)
class PastWindow:
    """A window that was answered before, and is had again.

    Attributes:
        index: its number.
        start: its first tick.
        end: the first tick behind it.
        every: as it is when every picture is decoded; else as it was sampled.
        urgent: somebody waits for it; else it is decoded when nothing else is to be done.
    """

    index: int
    start: int
    end: int
    every: bool
    urgent: bool = False


class Ingest:
    """Reads one stream and prunes it. One thread uses it.

    Args:
        stream: what to read. The caller closes it.
        pruner: the stream's.
        preprocessing: cuts the patches of frames.
        geometry: how they are cut.
        schedule: window and stride.
        view: what of the picture is masked, if anything is; the pruner's settings know it too.
    """

    def __init__(
        self,
        stream: SampleSource,
        pruner: Pruner,
        preprocessing: Preprocessing,
        geometry: FrameGeometry,
        schedule: Schedule,
        view: GridView | None = None,
    ) -> None:
        self.stream = stream
        self.geometry = geometry
        self._pruner = pruner
        self._preprocessing = preprocessing
        self._schedule = schedule
        self._cover = None if view is None else view.cover()
        self._unseen: ChangeMap | None = None
        self._thin = 1

    def windows(self, reports: Reports) -> Iterator[WindowInput]:
        """Yields the windows of the stream until it ends."""
        for window, cost in read_windows(self.stream, self._schedule, reports):
            prepared = self.prepare(window, cost)
            reports.tell(prepared.outline())
            yield prepared
        if self.stream.health.ended_early:
            source = self.stream.info.source
            logger.warning("%s ends before its stated length: it may be cut off", source)

    def steer(self, knobs: ReadingKnobs) -> None:
        """Reads on otherwise; any thread may say so.

        Raises:
            SettingsError: the pruner can't be set while its stream runs.
        """
        self._thin = knobs.thin
        self._pruner.steer(knobs.threshold, knobs.anchors)
        if isinstance(self.stream, Stream | DeferredSource):
            self.stream.wish.all = knobs.decode_all

    def prepare(self, window: Window, reading: ReadingCost | None = None) -> WindowInput:
        """Prunes what is new in a window and cuts out what is kept."""
        begun = perf_counter()
        arrivals, window = window.arrivals, window.last(self._schedule.recent)
        for tubelet in arrivals[: len(arrivals) - len(window.arrivals)]:
            self._pass_over(tubelet)
        frames = tuple(self._shown(window.arrivals))
        spent = perf_counter() - begun
        return WindowInput(
            window.index,
            window.start,
            window.end,
            frames,
            window.received,
            reading or ReadingCost(),
            spent,
        )

    def recall(self, window: PastWindow, past: Past) -> WindowInput:
        """Returns a window of the past, all of it new, as if nothing had been seen before.

        Nothing is known of it but its pictures: the pruner is to be one that keeps all.

        Raises:
            ForgottenError: what it was made of is not kept, or not any more.
        """
        begun = thread_time()
        frames = past.recall(window.start, window.end, every=window.every)
        tubelets = self._schedule.tubelets(map(_sample_of, frames))
        cut = tuple(self._frame(tubelet) for tubelet in tubelets if isinstance(tubelet, Tubelet))
        cost = ReadingCost(thread_time() - begun)
        return WindowInput(window.index, window.start, window.end, cut, None, cost, 0.0)

    def _shown(self, tubelets: Sequence[Tubelet]) -> Iterator[FrameInput]:
        """Prunes those of some temporal patches that are shown."""
        for tubelet in tubelets:
            if tubelet.tick // self._schedule.patch % self._thin:
                self._pass_over(tubelet)
            else:
                yield self._frame(self._reaching_back(tubelet))

    def _pass_over(self, tubelet: Tubelet) -> None:
        """Notes what the bitstream says of frames that no window shows.

        There are some where less is shown than the window moves on by. No pruner decides about
        them: it would take for seen what the model never saw.
        """
        for sample in tubelet.samples:
            change, before = sample.change, self._unseen
            self._unseen = change if before is None else change.after(before)

    def _reaching_back(self, tubelet: Tubelet) -> Tubelet:
        """Returns frames whose evidence reaches back to the last ones that were shown."""
        if self._unseen is None:
            return tubelet
        first, *others = tubelet.samples
        first = replace(first, change=first.change.after(self._unseen))
        self._unseen = None
        return replace(tubelet, samples=(first, *others))

    def _frame(self, tubelet: Tubelet) -> FrameInput:
        samples = tubelet.samples
        if self._cover is not None:
            samples = tuple(map(self._cover.over, samples))
        keep = self._pruner.decide(samples).without(self._pruner.settings.masked)
        pictures = [sample.picture for sample in samples]
        kept = keep.groups.reshape(-1)
        return FrameInput(
            ticks=(samples[0].tick, samples[-1].tick),
            frames=len(samples),
            keep=keep,
            patches=self._preprocessing.patches(pictures, kept, self.geometry),
            encoded=keep.kept,
            damaged=sum(sample.change.damaged for sample in samples),
        )


def _sample_of(frame: PastFrame) -> Sample:
    picture = frame.picture
    change = ChangeMap.unknown(picture.height, picture.width)
    return Sample(frame.tick, frame.time, picture, change)


def read_windows(
    stream: SampleSource, schedule: Schedule, reports: Reports
) -> Iterator[tuple[Window, ReadingCost]]:
    """Yields a stream's windows, each with what it cost to read it."""
    items = stream.samples(schedule.fps, on_frame=reports.on_frame)
    before = ReadingCost()
    for window in schedule.windows(_reporting(items, stream, reports.on_gap)):
        cost = ReadingCost(stream.decode_seconds, stream.health.decoding)
        yield window, cost - before
        before = cost


def _reporting(
    items: Iterator[Sample | Gap], stream: SampleSource, on_gap: OnGap | None
) -> Iterator[Sample | Gap]:
    """Passes items on, and news of gaps once what came before them was dealt with."""
    for item in items:
        yield item
        if on_gap is not None and isinstance(item, Gap):
            on_gap(replace(item, stream=stream.info.source))
