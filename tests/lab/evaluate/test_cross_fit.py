"""Calibrations of made-up answers: what each policy is worth by thresholds of the other half."""

from __future__ import annotations

from pathlib import Path

import pytest

from costream.lab.evaluate.answers import Results
from costream.lab.evaluate.cross_fit import CALIBRATIONS, CrossFit
from costream.lab.evaluate.datasets import Dataset, Event, Video
from costream.lab.evaluate.policies import DEFAULT, REFERENCE
from costream.lab.evaluate.results import VideoResult, WindowResult
from costream.settings import EngineSettings

VIDEOS = tuple(
    Video(
        f"{n}",
        Path(f"{n}.mp4"),
        frozenset({"Fire"} if n % 2 else ()),
        (Event("Fire", 0, 49),) if n % 2 else (),
    )
    for n in range(12)
)
SET = Dataset("made up", VIDEOS, {"Fire": "Is there a fire?"}, ())


def answered(yes: float, no: float) -> Results:
    """A policy that gives videos with a fire one score, and all others another."""
    return {
        video.name: VideoResult(
            25.0,
            tuple(
                WindowResult(n, 2.0 * n, 2.0 * n + 4, (score,), 9, 9, 9, 9, 9, 1, 1.0)
                for n in range(2)
            ),
        )
        for video in VIDEOS
        for score in [yes if video.categories else no]
    }


RESULTS = {
    # Even odds of full recomputation lie between log odds 2 and 4, those of the others below.
    REFERENCE: answered(0.982, 0.881),
    DEFAULT: answered(0.982, 0.881),
    "drop": answered(0.6, 0.1),
}


def test_a_policy_is_only_as_good_as_whom_thresholds_were_chosen_for() -> None:
    fitted = CrossFit(SET, RESULTS, EngineSettings())
    rows = {(row.calibration, row.policy): row for row in fitted.rows()}
    assert {name for name, _ in rows} == set(CALIBRATIONS)
    assert rows["full", REFERENCE].f1 == rows["full", DEFAULT].f1 == 1
    assert rows["full", "drop"].f1 == 0
    assert rows["full", "drop"].f1_change == -1
    assert rows["own", "drop"].f1 == 1
    assert rows["both", "drop"].f1 == 0
    # Their own probabilities: full recomputation says yes always.
    assert rows["none", REFERENCE].f1 == pytest.approx(2 / 3)
    assert rows["none", REFERENCE].false_alarms == pytest.approx(6 * 3600 / (12 * 6))
    assert rows["none", "drop"].f1 == 1
    assert rows["own", "drop"].false_alarms == rows["own", REFERENCE].f1_spread == 0


def test_flips_are_between_answers_by_the_same_calibration() -> None:
    fitted = CrossFit(SET, RESULTS, EngineSettings())
    assert fitted.row("full", "drop").flips == pytest.approx(1 / 2)
    assert fitted.row("full", "drop").yes_flips == 1
    assert fitted.row("own", "drop").flips == 0
    assert fitted.row("none", "drop").yes_flips == pytest.approx(1 / 2)


def test_what_is_shipped_is_taken_as_it_is() -> None:
    settings = EngineSettings(calibration={"Is there a fire?": 0.95})
    fitted = CrossFit(SET, RESULTS, settings)
    assert fitted.row("shipped", REFERENCE).f1 == 1
    assert fitted.row("shipped", "drop").f1 == 0


def test_a_single_video_leaves_nothing_to_choose_by() -> None:
    alone = Dataset("made up", VIDEOS[1:2], SET.questions, ())
    assert CrossFit(alone, RESULTS, EngineSettings()).row("own", "drop").f1 == 1
