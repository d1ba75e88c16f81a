"""A watcher that is too slow for its camera stays near the present."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from costream.engine.engine import Engine
from costream.engine.result import Result
from costream.engine.stream_state import StreamState
from costream.errors import SourceLostError
from costream.lab.synth import LiveCamera, SyntheticCamera
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.video import DeferredSource, Gap, LiveStream, Stream
from tests.engine.camera_file import ConnectPaced
from tests.video.encode import encode, panning

STRIDE = 0.2
BACKLOG = 2 * STRIDE
WORK = 5 * STRIDE
SECONDS = 6.0

SLACK = 1.0
"""Seconds that a busy machine may add. Without a bound, the lag would grow to over 20."""


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every window takes five strides."""
    plan = StreamState.plan

    def slowly(self, *args, **options):
        time.sleep(WORK)
        return plan(self, *args, **options)

    monkeypatch.setattr(StreamState, "plan", slowly)


def test_lag_is_bounded_and_what_is_skipped_is_told(model: ModelAdapter, slow: None) -> None:
    settings = EngineSettings(fps=10, window=1, stride=STRIDE, frame_size=(128, 96))
    engine = Engine(model, settings)
    camera = SyntheticCamera(seed=7, width=320, height=180, fps=10)
    results, gaps = [], list[Gap]()
    with (
        LiveCamera(camera, seconds=SECONDS) as live,
        LiveStream(lambda: Stream(live.file), patience=0, backlog=BACKLOG) as stream,
        pytest.raises(SourceLostError),
    ):
        for result in engine.watch(stream, ["Is it?"], on_gap=gaps.append):
            results.append(result)
    # What waits is as old as it may be when the window before is done, and then it is worked on.
    longest = max(result.seconds.total for result in results)
    assert max(result.lag for result in results) < BACKLOG + 2 * longest + SLACK
    assert results[-1].end > SECONDS - 2 * STRIDE
    assert 3 <= len(results) <= 7
    skipped = [gap for gap in gaps if gap.kind == "skipped"]
    seen = round(10 * SECONDS) - sum(gap.frames for gap in skipped)
    assert stream.skipped == sum(gap.frames for gap in skipped) > 20
    assert seen >= 10
    # A window has a whole stride of new frames at least.
    assert all(result.frames >= 2 for result in results)
    # Frames are received as the camera sends them, but for what was looked at on opening.
    walls = [datetime.fromisoformat(result.wall).timestamp() for result in results]
    assert walls[-1] - walls[1] == pytest.approx(results[-1].end - results[1].end, abs=1.0)
    assert all(one.end < other.end for one, other in pairwise(results))


def test_lag_is_bounded_where_another_process_reads(
    model: ModelAdapter, slow: None, tmp_path: Path
) -> None:
    clip = encode(tmp_path / "x.ts", panning(round(10 * SECONDS), size=(96, 128)), rate=10)
    engine = Engine(model, EngineSettings(fps=10, window=1, stride=STRIDE, frame_size=(128, 96)))
    source = DeferredSource(ConnectPaced(clip), patience=0, backlog=BACKLOG)
    results, told = [], list[object]()
    with closing(engine.ingest(source)) as stream, pytest.raises(SourceLostError):
        for result in engine.watch(stream, ["Is it?"], on_gap=told.append):
            results.append(result)
            told.append(result)
    # The window before is under way when the next one is prepared, and then that is worked on.
    longest = max(result.seconds.total for result in results)
    assert max(result.lag for result in results) < BACKLOG + 2 * longest + SLACK
    assert 3 <= len(results) <= 7
    gaps = [gap for gap in told if isinstance(gap, Gap)]
    assert sum(gap.frames for gap in gaps) > 20
    # A gap is told between the windows around it.
    for before, gap, after in zip(told, told[1:], told[2:], strict=False):
        if isinstance(gap, Gap) and gap.kind == "skipped":
            assert isinstance(before, Result) and isinstance(after, Result)
            assert before.end <= gap.end <= after.end
