"""Rates of made-up answers, worked out by hand."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest

from costream.lab.evaluate.accuracy import AccuracyRow, rate_policies
from costream.lab.evaluate.datasets import Dataset, Video
from costream.lab.evaluate.policies import DEFAULT, REFERENCE
from costream.lab.evaluate.results import VideoResult, WindowResult
from costream.settings import EngineSettings

SET = Dataset(
    "made up",
    (Video("x", Path("x.mp4"), frozenset({"Smoke"}), None),),
    {"Smoke": "Smoke?", "Fire": "Fire?"},
    (),
)


def rated(
    full: list[tuple[float, float]], ours: list[tuple[float, float]], settings: EngineSettings
) -> AccuracyRow:
    def result(scores: list[tuple[float, float]]) -> dict[str, VideoResult]:
        windows = (
            WindowResult(n, 2.0 * n, 2.0 * n + 4, pair, 9, 9, 9, 9, 9, 1, 1.0)
            for n, pair in enumerate(scores)
        )
        return {"x": VideoResult(25.0, tuple(windows))}

    rows = rate_policies(SET, {REFERENCE: result(full), DEFAULT: result(ours)}, settings)
    return rows[1]


def test_flips_are_told_of_all_answers_and_of_those_that_are_a_yes() -> None:
    full = [(0.9, 0.1), (0.2, 0.1), (0.1, 0.2)]
    ours = [(0.9, 0.6), (0.6, 0.1), (0.1, 0.2)]
    row = rated(full, ours, EngineSettings())
    assert (row.flips, row.yes_flips) == (pytest.approx(2 / 6), pytest.approx(2 / 3))
    assert rated(full[2:], full[2:], EngineSettings()).yes_flips == 0


def test_each_question_has_its_threshold() -> None:
    full = [(0.9, 0.4)]
    assert rated(full, full, EngineSettings()).f1 == 1
    own = EngineSettings(thresholds={"fire": 0.3})
    assert rated(full, full, own).f1 == pytest.approx(2 / 3)
    assert rated(full, full, EngineSettings(threshold=0.95)).f1 == 0


def test_a_score_that_is_not_a_number_is_no_yes() -> None:
    row = rated([(0.9, nan)], [(nan, nan)], EngineSettings(threshold=0.0))
    assert row.recall == 0
    assert row.flips == pytest.approx(1 / 2)
