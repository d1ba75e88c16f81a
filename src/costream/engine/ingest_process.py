"""Cameras that are read, decoded and pruned in a process of their own, which loads no model.

It hands over what :class:`~costream.engine.ingest.Ingest` makes: ticks, masks and kept patches as
bytes, some hundred kilobytes a window. The process has neither torch nor weights, so that it is up
before a model is loaded: it opens its cameras, and begins to read one when it is told how.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from queue import SimpleQueue
from time import monotonic
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from costream.engine.child import Child, End, Line
from costream.engine.ingest import Ingest, PastWindow, ReadingKnobs, Reports, WindowInput
from costream.engine.schedule import Schedule
from costream.engine.source_news import SourceListener, SourceNews
from costream.engine.view import StreamView
from costream.errors import ChildError, CoStreamError, SourceError
from costream.preprocessing import Preprocessing
from costream.pruning import PRUNERS, PrunerSettings
from costream.video import DeferredSource, FrameRecord, Gap, StreamInfo
from costream.video.packet_ring import StoredPacket
from costream.video.thumbnail import ThumbnailRecipe

TELL_EVERY = 0.25
"""Seconds for which records of frames are gathered before they are sent, unless a window or a gap
comes before: a message a frame would cost more than it tells."""


AHEAD = 3
"""Windows of a file that are prepared before they are asked for, at most. Of a live source it is
one, the next while the engine is at work: what is prepared early is old when its turn comes."""


_PATIENT = 10
"""Niceness of a thread that decodes windows of the past while a live source is read."""


T = TypeVar("T")


class _Lines(NamedTuple, Generic[T]):
    """What there is of each line of one camera between the process and its parent.

    Attributes:
        reading: for what it reads.
        past: for what is asked of the past.
        news: for what a listener is told.
        windows: for windows of the past, which take seconds.
        urgent: for those that somebody waits for, so that they need not wait for the others.
    """

    reading: T
    past: T
    news: T
    windows: T
    urgent: T

    @classmethod
    def of(cls, every: Sequence[T], number: int) -> _Lines[T]:
        """Returns those of one camera, given those of all."""
        count = len(cls._fields)
        return cls(*every[count * number : count * (number + 1)])


@dataclass(frozen=True, slots=True)
class IngestRecipe:
    """All that a process needs to prune a stream and cut its patches. It can be pickled.

    Attributes:
        preprocessing: the model's.
        schedule: window and stride.
        frame_size: (width, height) of frames, or None for what the preprocessing says.
        pruner: name of the rule.
        pruner_settings: its settings.
        view: masks and zones of the stream.
    """

    preprocessing: Preprocessing
    schedule: Schedule
    frame_size: tuple[int, int] | None
    pruner: str
    pruner_settings: PrunerSettings
    view: StreamView

    def ingest(self, source: DeferredSource) -> Ingest:
        """Returns the ingest of a source; opens it first."""
        info = source.info
        geometry = self.preprocessing.geometry(
            info.width, info.height, self.schedule.window, self.frame_size
        )
        view = self.view.on(self.preprocessing, geometry)
        settings = view.told(self.pruner_settings, geometry)
        pruner = PRUNERS[self.pruner](geometry.grid, settings)
        return Ingest(source, pruner, self.preprocessing, geometry, self.schedule, view)

    def recall(self, source: DeferredSource, past: PastWindow) -> WindowInput:
        """Returns a window of the past with all that is in it new, as the recipe's pruner has it.

        Raises:
            ForgottenError: what it was made of is not kept, or not any more.
        """
        return self.ingest(source).recall(past, source.past)


@dataclass(frozen=True, slots=True)
class _Begin:
    """Has a stream be read.

    Attributes:
        recipe: what is done with it.
        frames: send records of its frames, too.
    """

    recipe: IngestRecipe
    frames: bool


@dataclass(frozen=True, slots=True)
class _Next:
    """Asks for one more window.

    Attributes:
        knobs: how the stream is read from now on.
    """

    knobs: ReadingKnobs


class _Leave:
    """Ends the reading."""


@dataclass(frozen=True, slots=True)
class _Ask:
    """Asks for what is kept of the past.

    Attributes:
        start: first tick.
        end: first tick behind it.
        packets: the packets, not the pictures.
    """

    start: int
    end: int
    packets: bool


@dataclass(frozen=True, slots=True)
class _AskNewest:
    """Asks for the newest packets that are kept.

    Attributes:
        moment: from a key frame at or before this one on, where no number is given.
        number: those behind it.
    """

    moment: float
    number: int | None


@dataclass(frozen=True, slots=True)
class _AskWindow:
    """Asks for a window of the past, pruned and cut.

    Attributes:
        recipe: what is done with it.
        past: the window.
    """

    recipe: IngestRecipe
    past: PastWindow


@dataclass(frozen=True, slots=True)
class PastPixels:
    """A sampled frame of the past, as it came from another process.

    Attributes:
        tick: its place on the sampling grid.
        time: seconds of stream time.
        pixels: uint8 [height, width, 3], RGB as displayed.
    """

    tick: int
    time: float
    pixels: npt.NDArray[np.uint8]


class IngestWorker:
    """A process that reads cameras, each in a thread of its own.

    One camera that fails, is slow or is closed leaves the others alone. A process that dies ends
    all of them.

    Args:
        sources: the cameras, not opened yet: the process opens and closes them.
        listeners: for each source who is told of it while it is read, or None; nobody where there
            are none.

    Attributes:
        streams: one for each, in order. When all of them are closed the process ends.
    """

    def __init__(
        self,
        sources: Sequence[DeferredSource],
        listeners: Sequence[SourceListener | None] = (),
    ) -> None:
        what = (
            "a process that reads a camera"
            if len(sources) == 1
            else (f"a process that reads {len(sources)} cameras")
        )
        heard = list(listeners) or [None] * len(sources)
        recipes = [None if listener is None else listener.recipe for listener in heard]
        numbers = range(len(_Lines._fields) * len(sources))
        self._lines = [_Lines.of(numbers, number) for number in range(len(sources))]
        self.child = Child(_serve, (list(sources), recipes), what, lines=len(numbers))
        for lines, listener in zip(self._lines, heard, strict=True):
            if listener is not None:
                listener.follow(self.child.messages(lines.news))
        self.streams = [
            IngestProcess(self, number, lines) for number, lines in enumerate(self._lines)
        ]
        self._open = set(range(len(sources)))

    def release(self, number: int) -> None:
        """Ends the reading of a camera, and the process with the last one."""
        if number not in self._open:
            return
        self._open.remove(number)
        if self._open:
            # Not by closing the line: a thread that waits at it would keep it open, unseen.
            self.child.send(_Leave(), self._lines[number].reading)
        else:
            self.child.close()


class IngestProcess:
    """A stream that another process reads. :class:`IngestWorker` makes it.

    Args:
        worker: the process.
        number: which of its streams it is.
        lines: the numbers of its lines.
    """

    def __init__(self, worker: IngestWorker, number: int, lines: _Lines[int]) -> None:
        self._child = worker.child
        self._worker = worker
        self._number = number
        self._lines = lines
        # Of each line that is asked, so that an answer goes to who asked.
        self._asking = {
            line: threading.Lock() for line in (lines.past, lines.windows, lines.urgent)
        }
        self._info: StreamInfo | None = None
        self._end: End | None = None
        self._knobs = ReadingKnobs()

    @classmethod
    def of(cls, source: DeferredSource, listener: SourceListener | None = None) -> IngestProcess:
        """Starts a process for one source alone."""
        return IngestWorker([source], [listener]).streams[0]

    @property
    def info(self) -> StreamInfo:
        """What is known of the stream; waits until the process has opened it.

        Raises:
            CoStreamError: it can't be opened.
        """
        if self._info is None:
            message = self._receive()
            if isinstance(message, End):
                raise message.error or SourceError("a stream ended before it began")
            self._info = message
        return self._info

    def windows(self, recipe: IngestRecipe, reports: Reports) -> Iterator[WindowInput]:
        """Yields the windows of the stream until it ends.

        Args:
            recipe: what is done with the stream.
            reports: told of frames, in bulk, and of gaps and windows, in order with the windows.

        Raises:
            CoStreamError: it can't be read any further, or the process died.
        """
        _ = self.info
        self._child.send(_Begin(recipe, reports.on_frame is not None), self._lines.reading)
        while not isinstance(message := self._receive(), End):
            if isinstance(message, WindowInput):
                reports.tell(message.outline())
                yield message
                self._child.send(_Next(self._knobs), self._lines.reading)
            elif isinstance(message, Gap):
                reports.tell(message)
            else:
                for record in message:
                    reports.tell(record)
        if message.error is not None:
            raise message.error

    def steer(self, knobs: ReadingKnobs) -> None:
        """Has the process read on otherwise, once it is asked for a further window."""
        self._knobs = knobs

    def frames_of(self, start: int, end: int) -> list[PastPixels]:
        """Returns the sampled frames of a window of the past, whole, as they were sampled.

        They are decoded again from the packets that the source keeps: see
        :class:`~costream.video.past.Past`. Any thread may ask; the stream is read meanwhile. Frames
        come as pixels, some megabytes each of a large picture: ask for as few as are needed.

        Args:
            start: the window's first tick.
            end: the first tick behind it.

        Raises:
            ForgottenError: they are not kept, or not any more.
            ChildError: the process died.
        """
        frames: list[PastPixels] = self._ask(_Ask(start, end, packets=False), self._lines.past)
        return frames

    def packets_of(self, start: int, end: int) -> list[StoredPacket]:
        """Returns a window's packets, from a key frame on, for a clip that is not encoded again.

        Args and errors are those of :meth:`frames_of`.
        """
        packets: list[StoredPacket] = self._ask(_Ask(start, end, packets=True), self._lines.past)
        return packets

    def newest_packets(self, moment: float, number: int | None = None) -> list[StoredPacket]:
        """Returns the newest packets that are kept, sampled or not, for a clip as it goes on.

        Args:
            moment: on the clock of ``time.monotonic``: they begin with the key frame at or before
                it, or with the first that is kept.
            number: instead, those behind the packet of this number, as far as they are kept.

        Raises:
            ForgottenError: nothing is kept of this source.
            ChildError: the process died.
        """
        packets: list[StoredPacket] = self._ask(_AskNewest(moment, number), self._lines.past)
        return packets

    def recall(self, recipe: IngestRecipe, past: PastWindow) -> WindowInput:
        """Returns a window of the past: see :meth:`IngestRecipe.recall`.

        Any thread may ask; the stream is read meanwhile, and what else is asked is answered.

        Raises:
            ForgottenError: what it was made of is not kept, or not any more.
            ChildError: the process died.
        """
        line = self._lines.urgent if past.urgent else self._lines.windows
        window: WindowInput = self._ask(_AskWindow(recipe, past), line)
        return window

    def _ask(self, ask: _Ask | _AskNewest | _AskWindow, line: int) -> Any:
        with self._asking[line]:
            self._child.send(ask, line)
            answer = self._child.receive(line)
        if isinstance(answer, End):
            assert answer.error is not None
            raise answer.error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Ends the reading, and the process where it reads no other."""
        self._worker.release(self._number)

    def _receive(self) -> Any:
        """Returns the next message; after the last one, that again."""
        if self._end is not None:
            return self._end
        message = self._child.receive(self._lines.reading)
        if isinstance(message, End):
            self._end = message
        return message


def read_apart(sources: Sequence[DeferredSource], processes: int) -> list[IngestProcess]:
    """Starts processes that share cameras, as evenly as can be, and returns the streams in order.

    Args:
        sources: the cameras, not opened yet.
        processes: how many processes there are, where there are as many cameras.
    """
    shares = [sources[n::processes] for n in range(min(processes, len(sources)))]
    workers = [IngestWorker(share) for share in shares]
    return [workers[n % processes].streams[n // processes] for n in range(len(sources))]


def _serve(
    lines: Sequence[Line],
    sources: Sequence[DeferredSource],
    recipes: Sequence[ThumbnailRecipe | None],
) -> None:
    """The body of the process: reads until the parent ends it, or has gone."""
    _go_first()
    cameras = []
    for number, (source, recipe) in enumerate(zip(sources, recipes, strict=True)):
        own = _Lines.of(lines, number)
        news = None if recipe is None else SourceNews(own.news, source, recipe)
        cameras.append(_Camera(own, source, news))
    by_connection = {camera.line.connection: camera for camera in cameras}
    for camera in cameras:
        camera.start()
    while True:
        for ready in wait(list(by_connection)):
            assert isinstance(ready, Connection)
            camera = by_connection[ready]
            camera.take(camera.line.receive())


def _answer(line: Line, answer: Callable[[Any], Any]) -> None:
    """Answers what is asked at a line, for as long as somebody is there to ask."""
    while True:
        line.send(answer(line.receive()))


def _go_behind() -> None:
    """Has the kernel run this thread behind those that read the present."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PATIENT)


def _go_first() -> None:
    """Has the kernel end this process before its parent where memory runs out.

    What takes more than there is may well be what a camera sends; it is started again.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


class _Camera(threading.Thread):
    """Reads one camera in the process."""

    def __init__(
        self, lines: _Lines[Line], source: DeferredSource, news: SourceNews | None
    ) -> None:
        super().__init__(name="costream-camera", daemon=True)
        self.line = lines.reading
        self._lines = lines
        self._source = source
        self._news = news
        self._begin = SimpleQueue[_Begin | None]()
        self._wanted = threading.Semaphore(0)
        self._knobs = ReadingKnobs()
        self._left = False
        self._records = list[FrameRecord]()
        self._told = monotonic()

    def take(self, message: _Begin | _Next | _Leave) -> None:
        """Takes a message of the parent."""
        if isinstance(message, _Begin):
            self._begin.put(message)
        elif isinstance(message, _Leave):
            # Closing a camera may take a second, in which the others are not kept waiting.
            threading.Thread(target=self.leave, name="costream-leave", daemon=True).start()
        else:
            self._knobs = message.knobs
            self._wanted.release()

    def leave(self) -> None:
        """Ends the reading: nobody is there any more to read for."""
        self._left = True
        self._begin.put(None)
        self._wanted.release()
        self._source.close()

    def run(self) -> None:
        """Opens the camera, waits to be told how it is read, and reads it to its end."""
        for answer, line in (
            (self._recalled, self._lines.past),
            (self._recalled_window, self._lines.windows),
            (self._recalled_window, self._lines.urgent),
        ):
            threading.Thread(
                target=_answer, args=(line, answer), name="costream-past", daemon=True
            ).start()
        error: Exception | None = None
        if self._news is not None:
            self._news.start()
        try:
            with closing(self._source):
                info = self._source.info
                if self._news is not None:
                    self._news.opened(info)
                self.line.send(info)
                begin = self._begin.get()
                if begin is not None:
                    self._read(begin)
        except Exception as caught:  # told to the parent, and raised there
            error = caught
        if self._news is not None:
            self._news.leave()
        self.line.end(error)

    def _recalled_window(self, ask: _AskWindow) -> WindowInput | Exception:
        patient = self._source.info.live and not ask.past.urgent
        try:
            # In a thread of its own: one that went behind has no way back.
            with ThreadPoolExecutor(1, initializer=_go_behind if patient else None) as once:
                return once.submit(ask.recipe.recall, self._source, ask.past).result()
        except Exception as error:  # raised where it was asked
            return ChildError.of(error)

    def _recalled(self, ask: _Ask | _AskNewest) -> list[Any] | CoStreamError:
        try:
            past = self._source.past
            if isinstance(ask, _AskNewest):
                ring = past.ring
                return ring.since(ask.moment) if ask.number is None else ring.after(ask.number)
            if ask.packets:
                return list(past.packets(ask.start, ask.end))
            return [
                PastPixels(frame.tick, frame.time, frame.picture.rgb())
                for frame in past.frames(ask.start, ask.end)
            ]
        except CoStreamError as error:  # raised where it was asked
            return error

    def _read(self, begin: _Begin) -> None:
        reports = Reports(self._note if begin.frames else None, self._send)
        self._wanted.release(1 if self._source.info.live else AHEAD)
        ingest, knobs = begin.recipe.ingest(self._source), self._knobs
        windows = ingest.windows(reports)
        try:
            while self._wanted.acquire() and not self._left:
                if self._knobs != knobs:
                    knobs = self._knobs
                    ingest.steer(knobs)
                window = next(windows, None)
                if window is None:
                    break
                self._send(window)
        finally:
            self._flush()

    def _send(self, message: WindowInput | Gap) -> None:
        self._flush()
        self.line.send(message)

    def _note(self, record: FrameRecord) -> None:
        self._records.append(record)
        if monotonic() - self._told > TELL_EVERY:
            self._flush()

    def _flush(self) -> None:
        if self._records:
            self.line.send(self._records)
            self._records = []
        self._told = monotonic()
