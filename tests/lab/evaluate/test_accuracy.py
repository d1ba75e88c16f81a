"""Rates of made-up answers, worked out by hand."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest

from costream.lab.evaluate.accuracy import AccuracyRow, rate_policies
from costream.lab.evaluate.datasets import Dataset, Event, Video
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


def test_a_row_says_how_sure_it_is() -> None:
    videos = tuple(Video(f"{n}", Path(f"{n}.mp4"), frozenset({"Fire"}), None) for n in range(9))
    hit, miss = ((0.1, 0.9),), ((0.1, 0.1),)

    def result(right: int) -> dict[str, VideoResult]:
        return {
            f"{n}": VideoResult(
                25.0,
                (WindowResult(0, 0.0, 4.0, *(hit if n < right else miss), 9, 9, 9, 9, 9, 1, 1.0),),
            )
            for n in range(9)
        }

    dataset = Dataset("made up", videos, SET.questions, ())
    results = {REFERENCE: result(8), DEFAULT: result(7)}
    full, ours = rate_policies(dataset, results, EngineSettings())
    assert ours.f1_low < ours.f1 < ours.f1_high
    assert ours.f1_change == pytest.approx(ours.f1 - full.f1)
    assert ours.f1_change_low < ours.f1_change < ours.f1_change_high == 0
    assert full.f1_change_low == full.f1_change_high == 0
    assert ours.false_alarms is None, "nobody has annotated the times"


def test_false_alarms_are_counted_by_the_hour() -> None:
    events = (Event("Smoke", 0, 49),)
    dataset = Dataset(
        "made up",
        (Video("x", Path("x.mp4"), frozenset({"Smoke"}), events),),
        {"Smoke": "Smoke?", "Fire": "Fire?"},
        (),
    )
    scores = [(0.9, 0.1), (0.1, 0.9), (0.1, 0.1), (0.9, 0.1)]
    windows = tuple(
        WindowResult(n, 5.0 * n, 5.0 * n + 5, pair, 9, 9, 9, 9, 9, 1, 1.0)
        for n, pair in enumerate(scores)
    )
    results = {REFERENCE: {"x": VideoResult(25.0, windows)}}
    (row,) = rate_policies(dataset, results, EngineSettings())
    assert row.false_alarms == pytest.approx(2 * 3600 / 20)
    assert (row.event_recall, row.event_precision) == (1, pytest.approx(1 / 3))
