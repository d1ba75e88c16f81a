"""Parts of a made-up set: levels of motion, quarters of time, ways of saving, budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from costream.lab.evaluate.accuracy_tables import levels_table, quarters_table, savings_table
from costream.lab.evaluate.answers import Results
from costream.lab.evaluate.datasets import Dataset, Video
from costream.lab.evaluate.frontier import KNOBS, trace_frontier
from costream.lab.evaluate.levels import motion_of, rate_levels
from costream.lab.evaluate.policies import DEFAULT, REFERENCE, Policy
from costream.lab.evaluate.quarters import rate_quarters
from costream.lab.evaluate.results import VideoResult, WindowResult
from costream.lab.evaluate.runner import Runner
from costream.lab.evaluate.savings import split_savings
from costream.settings import EngineSettings

VIDEOS = tuple(
    Video(f"{n}", Path(f"{n}.mp4"), frozenset({"Fire"} if n % 2 else ()), None) for n in range(6)
)
SET = Dataset("made up", VIDEOS, {"Fire": "Is there a fire?"}, ())
BASE = EngineSettings(window=8, stride=2)


def video(scores: Sequence[float], kept: int = 5, flops: int = 100) -> VideoResult:
    """A video whose first window keeps and costs most."""
    return VideoResult(
        25.0,
        tuple(
            WindowResult(
                n, 2.0 * n, 2.0 * n + 8, (score,), 10, 4, kept if n else 10, 4,
                flops if n else 100, 10, 1.0,
            )
            for n, score in enumerate(scores)
        ),
    )  # fmt: skip


def test_a_level_holds_a_third_of_the_videos_by_what_the_default_keeps() -> None:
    right = {v.name: video([0.9 if v.categories else 0.1] * 4) for v in VIDEOS}
    # The liveliest videos are the first ones, and there the default says no.
    ours = {
        v.name: video([0.1] * 4 if n < 2 else [0.9 if v.categories else 0.1] * 4, kept=8 - n)
        for n, v in enumerate(VIDEOS)
    }
    assert motion_of(ours["1"]) == pytest.approx(0.7), "the first window does not count"
    rows = rate_levels(SET, {REFERENCE: right, DEFAULT: ours}, BASE)
    found = {(row.policy, row.level): row for row in rows}
    assert [row.videos for row in rows] == [2] * 6
    assert [found[DEFAULT, level].f1 for level in ("low", "medium", "high")] == [1, 1, 0]
    high = found[DEFAULT, "high"]
    assert (high.motion_low, high.motion_high) == (pytest.approx(0.7), pytest.approx(0.8))
    assert (high.flips, high.yes_flips) == (pytest.approx(1 / 2), 1)
    assert "| high (70.0% to 80.0%) | 2 | costream |" in levels_table(rows)


def test_flips_are_told_by_quarter() -> None:
    full = {v.name: video([0.9] * 8) for v in VIDEOS}
    ours = {v.name: video([0.9] * 6 + [0.9, 0.1]) for v in VIDEOS}
    rows = rate_quarters(SET, {REFERENCE: full, DEFAULT: ours}, BASE)
    assert [row.flips for row in rows] == [0, 0, 0, pytest.approx(1 / 2)]
    assert [(row.answers, row.yes) for row in rows] == [(12, 12)] * 4
    assert "| costream | 4 | 12 | 50.00%" in quarters_table(rows)


class MadeUp:
    """Stands for a runner: what a policy costs follows from its settings."""

    def run(
        self, policies: Sequence[Policy], base: EngineSettings, decode: str
    ) -> Mapping[str, Results]:
        return {p.name: self._result(p.settings(base, None), p.from_scratch) for p in policies}

    def _result(self, settings: EngineSettings, from_scratch: bool) -> Results:
        flops = 10 + 90 * (settings.pruner == "none") * settings.stride / settings.window
        if from_scratch:
            flops = 100
        elif settings.pruner == "last-kept-budget":
            flops = 10 + 90 * settings.keep
        return {v.name: video([0.9] * 4, flops=round(flops)) for v in VIDEOS}


def test_savings_are_told_apart() -> None:
    rows = split_savings(cast("Runner", MadeUp()), SET, BASE, "all")
    found = {row.what: row for row in rows}
    # Three of four windows: 10 of 90 each for questions aside.
    assert found["overlap alone"].later_flops == pytest.approx(1 - 22 / 90)
    assert found["both"].later_flops == pytest.approx(1)
    assert found["pruning adds"].later_flops == pytest.approx(22 / 90)
    assert found["both"].video_flops == pytest.approx(3 / 4)
    assert found["no overlap: pruning"].stride == 8
    assert "| overlap alone | refresh-only | 2 |" in savings_table(rows)


def test_a_frontier_has_a_point_for_every_budget() -> None:
    chosen = {name: MadeUp()._result(BASE, name == REFERENCE) for name in (REFERENCE, DEFAULT)}
    points = trace_frontier(cast("Runner", MadeUp()), SET, BASE, "all", chosen)
    ours = [point for point in points if point.policy == DEFAULT]
    assert {point.value for point in ours} == {None, *KNOBS[DEFAULT].values}
    assert [p.video_flops_saved for p in ours] == sorted(
        (p.video_flops_saved for p in ours), reverse=True
    )
    assert [point.policy for point in points if not point.setting] == [REFERENCE, DEFAULT]
