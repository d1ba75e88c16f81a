"""What is pruned of a window, and what is noted of frames that no window shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from costream.engine.ingest import Ingest, Reports
from costream.engine.schedule import Schedule
from costream.models import ModelAdapter
from costream.pruning import PRUNERS, KeepMask, PatchGrid, Pruner, PrunerSettings
from costream.video import Sample
from tests.fakes import FakeStream, noise_pictures, samples_of


class Noting(Pruner):
    """Keeps all, and notes what it decided about."""

    def __init__(self, grid: PatchGrid) -> None:
        super().__init__(grid, PrunerSettings(anchor_every=1000))
        self.decided: list[tuple[int, int]] = []

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        self.decided += [(sample.tick, sample.change.frames) for sample in samples]
        return KeepMask.whole(self.grid, None)


def ingest_of(
    model: ModelAdapter, samples: Sequence[Sample], pruner: Pruner | None, **lengths: float
) -> tuple[Ingest, Pruner]:
    schedule = Schedule.from_seconds(2, patch=2, **lengths)
    geometry = model.preprocessing.geometry(128, 96, schedule.window, (128, 96))
    pruner = pruner or Noting(geometry.grid)
    stream = FakeStream(samples)
    return Ingest(stream, pruner, model.preprocessing, geometry, schedule), pruner


def test_frames_that_no_window_shows_are_part_of_the_next_one_s_evidence(
    model: ModelAdapter,
) -> None:
    samples = samples_of(noise_pictures(24))
    ingest, pruner = ingest_of(model, samples, None, window=4, stride=4, recent=2)
    windows = list(ingest.windows(Reports()))
    assert [[frame.ticks for frame in window.frames] for window in windows] == [
        [(4, 5), (6, 7)],
        [(12, 13), (14, 15)],
        [(20, 21), (22, 23)],
    ]
    # Each of them has one native frame: four that are not shown come to the first that is.
    assert pruner.decided == [  # type: ignore[attr-defined]
        (tick, 5 if tick % 8 == 4 else 1)
        for start in (4, 12, 20)
        for tick in range(start, start + 4)
    ]


def test_evidence_is_kept_over_a_window_that_shows_nothing_new(model: ModelAdapter) -> None:
    # The second window ends among ticks without a frame.
    ticks = [*range(8), *range(8, 12), *range(20, 24)]
    samples = samples_of(noise_pictures(len(ticks)), ticks)
    ingest, pruner = ingest_of(model, samples, None, window=4, stride=4, recent=2)
    windows = list(ingest.windows(Reports()))
    assert [len(window.frames) for window in windows] == [2, 0, 2]
    assert pruner.decided[4:6] == [(20, 5), (21, 1)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("pruner", ["codecflow-v3", "codecflow-v4"])
def test_what_moved_while_nothing_was_shown_is_kept(model: ModelAdapter, pruner: str) -> None:
    samples = samples_of(noise_pictures(1) * 16)
    change = samples[0].change
    moved = replace(change, peak=change.peak.copy(), motion="bitstream")
    moved.peak[2:4, 2:4] = 3.0
    # Tick 9 lies in the part of the second window that isn't shown.
    samples[9] = replace(samples[9], change=moved)
    geometry = model.preprocessing.geometry(128, 96, 8, (128, 96))
    rule = PRUNERS[pruner](geometry.grid, PrunerSettings(anchor_every=1000))
    ingest, _ = ingest_of(model, samples, rule, window=4, stride=4, recent=2)
    first, second = ingest.windows(Reports())
    assert not first.frames[1].keep.kept
    keep = second.frames[0].keep
    assert keep.anchor is None
    assert np.argwhere(keep.groups).tolist() == [[1, 1]]


def test_the_default_rule_compares_what_is_shown_with_what_was_shown(model: ModelAdapter) -> None:
    one, other = noise_pictures(2)
    pictures = [one] * 32
    pictures[16:20] = [other] * 4  # it came and went where nothing is shown
    samples = samples_of(pictures)
    geometry = model.preprocessing.geometry(128, 96, 8, (128, 96))
    rule = PRUNERS["last-kept"](geometry.grid, PrunerSettings(anchor_every=1000))
    ingest, _ = ingest_of(model, samples, rule, window=4, stride=4, recent=2)
    first, *later = ingest.windows(Reports())
    assert first.frames[0].keep.anchor == "first"
    assert not any(frame.keep.kept for window in later for frame in window.frames)
    # Had it stayed, all of it would be kept.
    pictures[20:] = [other] * 12
    rule = PRUNERS["last-kept"](geometry.grid, PrunerSettings(anchor_every=1000))
    ingest, _ = ingest_of(model, samples_of(pictures), rule, window=4, stride=4, recent=2)
    third = list(ingest.windows(Reports()))[2]
    assert third.frames[0].keep.groups.all()
