"""Where windows wait: news in order with them, and nobody who is slow keeps others waiting."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from costream.engine.bell import Bell
from costream.engine.engine import Engine
from costream.engine.feed import ThreadedFeed
from costream.engine.ingest import ReadingCost, Reports, WindowInput
from costream.engine.result import Result
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.video import DeferredSource, Gap, Sample, Stream
from tests.engine.camera_file import Connect
from tests.fakes import FakeStream, noise_pictures, samples_of
from tests.video.encode import encode, panning

ASKS = ["Is it?"]


def engine_of(model: ModelAdapter) -> Engine:
    return Engine(model, EngineSettings(fps=2, window=4, stride=2, frame_size=(128, 96)))


class Flapping(FakeStream):
    """A camera that is lost and comes back every few samples."""

    def __init__(self, number: int) -> None:
        super().__init__(samples_of(noise_pictures(40)))
        self.info = replace(self.info, source=f"camera {number}", live=True, awaited=True)

    def samples(self, fps: float, **options: object) -> Iterator[Sample | Gap]:
        for sample in super().samples(fps):
            yield sample
            if sample.tick % 7 == 6:
                yield Gap("lost", sample.time, None, "gone")
                yield Gap("back", sample.time, sample.time + 0.5, "here")


def told(engine: Engine, streams: object) -> dict[str | None, list[object]]:
    """What a slow watcher is told of each stream, in order: windows by number, gaps by kind."""
    found: dict[str | None, list[object]] = defaultdict(list)
    threads = set()

    def note(gap: Gap) -> None:
        threads.add(threading.current_thread())
        found[gap.stream].append((gap.kind, gap.start))

    for result in engine.watch(streams, ASKS, on_gap=note):  # type: ignore[arg-type]
        found[result.stream].append(result.index)
        time.sleep(0.02)
    assert threads == {threading.main_thread()}
    return found


def test_gaps_of_several_come_in_order_with_each_one_s_windows(model: ModelAdapter) -> None:
    together = told(engine_of(model), [Flapping(0), Flapping(1)])
    for number in range(2):
        alone = told(engine_of(model), Flapping(number))[f"camera {number}"]
        assert together[f"camera {number}"] == alone
        assert sum(isinstance(item, tuple) for item in alone) == 10


def test_a_gap_is_told_while_no_window_comes(model: ModelAdapter) -> None:
    seen, going = threading.Event(), threading.Event()

    class Gone(FakeStream):
        def samples(self, fps: float, **options: object) -> Iterator[Sample | Gap]:
            yield self._samples[0]
            yield Gap("lost", 0.0, None, "gone")
            going.set()
            # It comes back only when it has been told that it was gone.
            assert seen.wait(20)
            yield from self._samples[1:]

    gone = Gone(samples_of(noise_pictures(4)))
    gone.info = replace(gone.info, live=True, awaited=True)
    assert list(engine_of(model).watch([gone], ASKS, on_gap=lambda gap: seen.set()))
    assert going.is_set()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "pan.ts"
    return encode(path, panning(60, size=(96, 128)), rate=5, options={"preset": "ultrafast"})


def by_stream(results: list[Result]) -> dict[str, list[int]]:
    found = defaultdict(list)
    for result in results:
        found[result.stream].append(result.index)
    return found


def test_a_fifo_among_several_keeps_no_other_waiting(
    model: ModelAdapter, clip: Path, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    go, found = threading.Event(), list[Result]()

    def write() -> None:
        with fifo.open("wb") as pipe:
            data = clip.read_bytes()
            pipe.write(data[: len(data) // 2])
            pipe.flush()
            # The rest comes when the file beside it has been watched to its end.
            assert go.wait(30)
            pipe.write(data[len(data) // 2 :])

    writer = threading.Thread(target=write)
    writer.start()
    with ExitStack() as stack:
        streams = [
            stack.enter_context(closing(Stream(path, motion=False))) for path in (fifo, clip)
        ]
        for result in engine_of(model).watch(streams, ASKS):
            found.append(result)
            if by_stream(found)[str(clip)] == [0, 1, 2, 3, 4]:
                go.set()
    writer.join()
    assert by_stream(found) == {str(fifo): [0, 1, 2, 3, 4], str(clip): [0, 1, 2, 3, 4]}


def half_of(clip: Path, folder: Path) -> Path:
    """A container that states its length, cut off in the middle."""
    whole = encode(folder / "whole.mkv", panning(60, size=(96, 128)), rate=5, gop=10)
    half = folder / "half.mkv"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return half


def test_a_file_that_is_cut_off_is_told_of_among_several_too(
    model: ModelAdapter, clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    half, engine = half_of(clip, tmp_path), engine_of(model)
    cut = f"{half} ends before its stated length: it may be cut off"
    with Stream(half, motion=False) as one, Stream(clip, motion=False) as other:
        assert list(engine.watch([one, other], ASKS))
    source = DeferredSource(Connect(half), patience=0, backlog=4)
    with caplog.at_level(logging.WARNING), closing(engine.ingest(source)) as stream:
        assert list(engine.watch([stream], ASKS))
    assert [record.getMessage() for record in caplog.records] == [cut, cut]


class Stretched:
    """A stream of prepared windows whose window moves on by several strides."""

    def __init__(self, model: ModelAdapter, items: Sequence[int | str], stretch: int) -> None:
        samples = samples_of(noise_pictures(1) * 4)
        engine = engine_of(model)
        self.watch = engine.open(FakeStream(samples), ASKS)
        (window, _), *_ = engine.windows(FakeStream(samples))
        self._frame = self.watch.ingest.prepare(window).frames[0]
        self.told: list[int | str] = []
        reports = Reports(on_gap=lambda gap: self.told.append(gap.cause))

        def read(noted: Reports) -> Iterator[WindowInput]:
            for item in items:
                if isinstance(item, str):
                    noted.tell(Gap("skipped", 0.0, 1.0, item))
                else:
                    yield self.window(item)

        self.feed = ThreadedFeed(self.watch, read, reports, Bell())
        self.feed.stretch = stretch

    def window(self, index: int) -> WindowInput:
        ticks = (4 * index, 4 * index + 3)
        frame = replace(self._frame, ticks=ticks)
        return WindowInput(index, 4 * index, 4 * index + 8, (frame,), 0.0, ReadingCost(1.0), 0.5)

    def run(self) -> list[list[int]]:
        """Returns the windows that are due: each with the indices of the frames new in it."""
        found = []
        while not self.feed.ended:
            window = self.feed.peek()
            if window is None:
                time.sleep(0.001)
                continue
            found.append([window.index, *(frame.ticks[0] // 4 for frame in window.frames)])
            self.told.append(window.index)
            self.feed.pop()
        return found


@pytest.mark.parametrize(
    ("items", "stretch", "due", "told"),
    [
        ([0, 1, 2, 3, 4], 1, [[0, 0], [1, 1], [2, 2], [3, 3], [4, 4]], [0, 1, 2, 3, 4]),
        ([0, 1, 2, 3, 4], 2, [[0, 0], [2, 1, 2], [4, 3, 4]], [0, 2, 4]),
        # What is left at the end is answered.
        ([0, 1, 2, 3], 4, [[0, 0], [3, 1, 2, 3]], [0, 3]),
        # No window reaches over a gap, told or not.
        ([0, 1, "gap", 5, 6], 2, [[0, 0], [1, 1], [6, 5, 6]], [0, 1, "gap", 6]),
        ([0, 1, 5, 6], 2, [[0, 0], [1, 1], [6, 5, 6]], [0, 1, 6]),
    ],
)
def test_a_window_that_moves_on_by_several_strides_holds_all_that_is_new(
    model: ModelAdapter,
    items: list[int | str],
    stretch: int,
    due: list[list[int]],
    told: list[int | str],
) -> None:
    stretched = Stretched(model, items, stretch)
    assert stretched.run() == due
    assert stretched.told == told
