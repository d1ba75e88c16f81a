"""A watcher that is too slow for its camera stays near the present."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from costream.engine.engine import Engine
from costream.engine.watch import Watch
from costream.errors import SourceLostError
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.synth import LiveCamera, SyntheticCamera
from costream.video import Gap, LiveStream, Stream

STRIDE = 0.2
WORK = 5 * STRIDE
SECONDS = 8.0


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every window takes five strides."""
    prefill = Watch.prefill

    def slowly(self, window, arrivals):
        time.sleep(WORK)
        return prefill(self, window, arrivals)

    monkeypatch.setattr(Watch, "prefill", slowly)


def test_lag_is_bounded_and_what_is_skipped_is_told(model: ModelAdapter, slow: None) -> None:
    settings = EngineSettings(fps=10, window=1, stride=STRIDE, frame_size=(128, 96))
    engine = Engine(model, settings)
    camera = SyntheticCamera(seed=7, width=320, height=180, fps=10)
    verdicts, gaps = [], list[Gap]()
    began = datetime.now(timezone.utc)
    with (
        LiveCamera(camera, seconds=SECONDS) as live,
        LiveStream(lambda: Stream(live.file), patience=0, backlog=STRIDE) as stream,
        pytest.raises(SourceLostError),
    ):
        for verdict in engine.watch(stream, ["Is it?"], on_gap=gaps.append):
            verdicts.append(verdict)
    # What waits is a stride old at most, and then a window is worked on.
    assert max(v.lag for v in verdicts) < STRIDE + 2 * WORK
    assert verdicts[-1].end > SECONDS - STRIDE - 2 * WORK
    assert 4 <= len(verdicts) <= 9
    skipped = [gap for gap in gaps if gap.kind == "skipped"]
    seen = round(10 * SECONDS) - sum(gap.frames for gap in skipped)
    assert stream.skipped == sum(gap.frames for gap in skipped) > 40
    assert seen >= 10
    # The frames of a window were received when the camera sent them.
    for verdict in verdicts:
        wall = datetime.fromisoformat(verdict.wall)
        assert (wall - began).total_seconds() == pytest.approx(verdict.end, abs=0.8)
    assert all(one.end < other.end for one, other in zip(verdicts, verdicts[1:], strict=False))
