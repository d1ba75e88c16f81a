"""Streams that other processes read: the same windows, one engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from costream.engine.engine import Engine
from costream.errors import ChildError, SourceError
from costream.lab.synth import EncoderSettings, SyntheticCamera, encode
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.video import DeferredSource, Stream

ASKS = ["Is it?"]


class Connect:
    """Makes a stream of a file; it can be pickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> Stream:
        return Stream(self.path, motion=False)


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
        for verdict in engine.watch(streams, ASKS):
            found[verdict.stream].append(verdict)
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


def test_what_reads_loads_neither_torch_nor_a_model() -> None:
    code = "import sys, costream.engine.ingest_process; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
