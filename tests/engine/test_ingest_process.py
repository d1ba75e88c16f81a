"""Streams that other processes read: the same windows, one engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from costream.engine import ingest_process
from costream.engine.engine import Engine
from costream.engine.ingest import PastWindow, Reports, WindowOutline
from costream.engine.ingest_process import IngestProcess, read_apart
from costream.engine.result import Result
from costream.engine.source_news import SourceCounts, SourceListener
from costream.engine.view import StreamView
from costream.errors import ChildError, ForgottenError, SourceError
from costream.lab.synth import EncoderSettings, SyntheticCamera, encode
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.video import DeferredSource, FrameRecord, Stream
from costream.video.packet_ring import RingLimits
from costream.video.thumbnail import Thumbnail, ThumbnailRecipe
from tests.engine.camera_file import Connect, ConnectPaced

ASKS = ["Is it?"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, quick = tmp_path_factory.mktemp("videos"), EncoderSettings(preset="ultrafast")
    cameras = [SyntheticCamera(seed=n, width=320, height=192, fps=10) for n in (1, 2)]
    return [
        encode((c.frame(n) for n in range(120)), folder / f"{i}.mp4", fps=10, settings=quick)
        for i, c in enumerate(cameras)
    ]


def engine_of(model: ModelAdapter) -> Engine:
    return Engine(model, EngineSettings(fps=2, window=6, stride=2, frame_size=(128, 96)))


def deferred(path: Path) -> DeferredSource:
    return DeferredSource(Connect(path), patience=0, backlog=4)


def test_processes_that_read_give_what_the_engine_s_own_reading_gives(
    model: ModelAdapter, videos: list[Path]
) -> None:
    engine, found = engine_of(model), defaultdict(list)
    with ExitStack() as stack:
        streams = [stack.enter_context(closing(engine.ingest(deferred(v)))) for v in videos]
        for result in engine.watch(streams, ASKS):
            found[result.stream].append(result)
    for video in videos:
        with Stream(video, motion=False) as stream:
            alone = list(engine_of(model).watch(stream, ASKS))
        assert [v.tokens for v in found[str(video)]] == [v.tokens for v in alone]
        for one, other in zip(found[str(video)], alone, strict=True):
            assert one.answers[0].score == pytest.approx(other.answers[0].score, abs=1e-4)


def test_one_alone_is_watched_too_and_a_file_that_is_none_is_told(
    model: ModelAdapter, videos: list[Path], tmp_path: Path
) -> None:
    engine = engine_of(model)
    with closing(engine.ingest(deferred(videos[0]))) as stream:
        assert len(list(engine.watch(stream, ASKS))) == 4
    (tmp_path / "x.mp4").write_bytes(b"no video")
    with (
        closing(engine.ingest(deferred(tmp_path / "x.mp4"))) as stream,
        pytest.raises(SourceError, match="it is not a video"),
    ):
        list(engine.watch(stream, ASKS))


def test_a_process_that_is_killed_ends_its_stream_in_a_sentence(
    model: ModelAdapter, videos: list[Path]
) -> None:
    engine = engine_of(model)
    with closing(engine.ingest(deferred(videos[0]))) as stream:
        assert stream.info.width == 320
        os.kill(stream._child.pid, signal.SIGKILL)
        with pytest.raises(ChildError, match="a process that reads a camera ended with status -9"):
            list(engine.watch(stream, ASKS))


def test_frames_are_told_of_here_too_in_bulk_and_in_order_with_the_windows(
    model: ModelAdapter, videos: list[Path]
) -> None:
    told: list[FrameRecord | float] = []
    with closing(engine_of(model).ingest(deferred(videos[0]))) as stream:
        for result in engine_of(model).watch(stream, ASKS, on_frame=told.append):
            told.append(result.end)
    alone: list[FrameRecord] = []
    with Stream(videos[0], motion=False) as own:
        assert len(list(engine_of(model).watch(own, ASKS, on_frame=alone.append))) == 4
    assert [item for item in told if isinstance(item, FrameRecord)] == alone
    assert len(alone) == 120
    # A window comes when the last of its frames has been told of, and the next one's have not.
    for before, item in pairwise(told):
        if isinstance(item, float) and isinstance(before, FrameRecord):
            assert item - 0.6 < before.time < item


@pytest.mark.parametrize("apart", [True, False])
def test_windows_are_told_of_before_they_are_run(
    model: ModelAdapter, videos: list[Path], apart: bool
) -> None:
    engine, told = engine_of(model), list[WindowOutline | Result]()
    source = deferred(videos[0])
    stream = engine.ingest(source) if apart else source
    with closing(stream), engine.session() as session:
        for result in session.add(stream, ASKS, on_window=told.append):
            told.append(result)
    outlines = [item for item in told if isinstance(item, WindowOutline)]
    results = [item for item in told if isinstance(item, Result)]
    assert [o.index for o in outlines] == [r.index for r in results] == [0, 1, 2, 3]
    for outline, result in zip(outlines, results, strict=True):
        assert told.index(outline) < told.index(result)
        assert (outline.start, outline.end) == (2 * result.start, 2 * result.end)
        assert sum(frame.encoded for frame in outline.frames) == result.tokens.encoded
        assert all(frame.keep.groups.shape == (3, 4) for frame in outline.frames)


def test_who_listens_is_told_of_pictures_and_counts_however_idle_the_engine_is(
    model: ModelAdapter, videos: list[Path]
) -> None:
    pictures, counts = list[Thumbnail](), list[SourceCounts]()
    recipe = ThumbnailRecipe(width=64, every=0.0)
    listener = SourceListener(pictures.append, counts.append, recipe)
    keep = RingLimits(seconds=60, max_bytes=16 << 20)
    kept = DeferredSource(ConnectPaced(videos[0]), patience=0, backlog=4, keep=keep)
    stream = IngestProcess.of(kept, listener)
    with closing(stream):
        windows = stream.windows(engine_of(model)._recipe(StreamView()), Reports())
        next(windows)
        # Nobody takes a further window: the camera's own thread tells all the same.
        end = time.monotonic() + 60
        while len(pictures) < 20 or not (counts and counts[-1].samples >= 20):
            assert time.monotonic() < end
            time.sleep(0.05)
        first, second = stream.newest_packets(0.0), stream.newest_packets(0.0, 40)
    assert first[0].key and second[0].number == 41
    assert (pictures[0].width, pictures[0].height) == (320, 192) and pictures[0].jpeg[
        :2
    ] == b"\xff\xd8"
    info = counts[-1].info
    assert info is not None and info.codec == "h264"
    assert counts[-1].received > 0 and counts[-1].jpeg_bytes > 0 and counts[-1].failure is None


def test_several_in_one_process_get_what_each_gets_alone(
    model: ModelAdapter, videos: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "x.mp4").write_bytes(b"no video")
    paths, engine, found = [*videos, tmp_path / "x.mp4", videos[0]], engine_of(model), []
    streams = read_apart([deferred(path) for path in paths], 1)
    assert len({stream._child.pid for stream in streams}) == 1
    with ExitStack() as stack:
        for stream in streams:
            stack.enter_context(closing(stream))
        with pytest.raises(SourceError, match=r"x\.mp4: it is not a video"):
            for result in engine.watch(streams, ASKS):
                found.append((result.stream, result.index, result.tokens))
    for video, count in ((videos[0], 2), (videos[1], 1)):
        with Stream(video, motion=False) as stream:
            alone = [(v.stream, v.index, v.tokens) for v in engine_of(model).watch(stream, ASKS)]
        assert sorted(f for f in found if f[0] == str(video)) == sorted(count * alone)
    assert not is_running(streams[0]._child.pid)


def test_one_that_is_closed_leaves_the_others_of_its_process_alone(
    model: ModelAdapter, videos: list[Path]
) -> None:
    engine = engine_of(model)
    closed, other = read_apart([deferred(video) for video in videos], 1)
    with closing(other):
        assert closed.info.width == 320
        closed.close()
        closed.close()
        assert is_running(other._child.pid)
        assert len(list(engine.watch(other, ASKS))) == 4
    assert not is_running(other._child.pid)


def test_who_waits_for_one_that_is_closed_waits_no_longer(
    model: ModelAdapter, videos: list[Path]
) -> None:
    engine = engine_of(model)
    paced = DeferredSource(ConnectPaced(videos[0]), patience=1e6, backlog=4)
    closed, other = read_apart([paced, deferred(videos[1])], 1)
    with closing(other):
        assert closed.info.live
        windows = closed.windows(engine._recipe(), Reports())
        thread = threading.Thread(target=lambda: list(windows), daemon=True)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        closed.close()
        thread.join(10)
        assert not thread.is_alive()
        assert len(list(engine.watch(other, ASKS))) == 4


@pytest.mark.parametrize(
    ("cameras", "processes", "shares"),
    [(1, 3, [0]), (3, 3, [0, 1, 2]), (5, 2, [0, 1, 0, 1, 0]), (0, 1, [])],
)
def test_processes_share_cameras_evenly(
    monkeypatch: pytest.MonkeyPatch, cameras: int, processes: int, shares: list[int]
) -> None:
    made = []

    class Worker:
        def __init__(self, sources: list[str]) -> None:
            self.streams = [(len(made), source) for source in sources]
            made.append(self)

    monkeypatch.setattr(ingest_process, "IngestWorker", Worker)
    sources = [f"camera {n}" for n in range(cameras)]
    assert read_apart(sources, processes) == list(zip(shares, sources, strict=True))


def test_past_windows_are_had_from_the_process_that_reads_to_the_bit(
    model: ModelAdapter, videos: list[Path]
) -> None:
    engine, keep = engine_of(model), RingLimits(seconds=60, max_bytes=16 << 20)
    kept = DeferredSource(Connect(videos[0]), patience=0, backlog=4, keep=keep)
    kept_stream, other = read_apart([kept, deferred(videos[1])], 1)
    with closing(kept_stream), closing(other):
        ends = []
        for result in engine.watch(kept_stream, ASKS):
            start, end = round(2 * result.start), round(2 * result.end)
            # It is asked while the process goes on, and after the stream has ended.
            ends.append((start, end, kept_stream.frames_of(start, end)))
        again = kept_stream.frames_of(*ends[0][:2])
        recipe = replace(engine._recipe(), pruner="none")
        recalled = kept_stream.recall(recipe, PastWindow(1, 4, 16, every=True))
        with pytest.raises(ForgottenError, match="ticks 100 to 101 are not kept"):
            kept_stream.recall(recipe, PastWindow(49, 100, 102, every=True))
        packets = kept_stream.packets_of(12, 16)
        with pytest.raises(ForgottenError, match="ticks 100 to 101 are not kept"):
            kept_stream.frames_of(100, 102)
        with pytest.raises(ForgottenError, match="open the source with a ring"):
            other.frames_of(0, 2)
    with Stream(videos[0], motion=False) as stream:
        samples = list(stream.samples(2))
    for start, end, frames in [*ends, (*ends[0][:2], again)]:
        assert [frame.tick for frame in frames] == list(range(start, end))
        for frame in frames:
            assert (frame.pixels == samples[frame.tick].picture.rgb()).all()
    assert packets[0].key and packets[0].pts is not None
    everything = partial(Stream, videos[0], motion=False, decode="all")
    with closing(DeferredSource(everything, patience=0, backlog=4)) as source:
        whole = next(iter(recipe.ingest(source).windows(Reports())))
    assert recalled.index == 1
    assert [frame.ticks[0] for frame in recalled.frames] == list(range(4, 16, 2))
    for frame, other in zip(recalled.frames, whole.frames[2:], strict=False):
        assert frame.ticks == other.ticks and frame.keep.groups.all()
        assert (frame.patches == other.patches).all()


@dataclass(frozen=True)
class UntilTold:
    """In place of a recipe: a window that nobody waits for is there once a file is."""

    told: Path

    def recall(self, source: DeferredSource, past: PastWindow) -> PastWindow:
        while not past.urgent and not self.told.exists():
            time.sleep(0.01)
        return past


def test_a_window_that_is_urgent_does_not_wait_for_one_that_is_not(
    videos: list[Path], tmp_path: Path
) -> None:
    recipe: Any = UntilTold(tmp_path / "told")
    patient = PastWindow(1, 4, 16, every=True)
    urgent = replace(patient, urgent=True)
    with closing(IngestProcess.of(deferred(videos[0]))) as stream, ThreadPoolExecutor(2) as pool:
        behind = pool.submit(stream.recall, recipe, patient)
        assert pool.submit(stream.recall, recipe, urgent).result(30) == urgent
        assert not behind.done()
        recipe.told.touch()
        assert behind.result(30) == patient


def is_running(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def test_what_reads_loads_neither_torch_nor_a_model() -> None:
    code = "import sys, costream.engine.ingest_process; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
