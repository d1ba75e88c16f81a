"""What is told where a yes is confirmed: the engine's rule, on scores that are there already."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from costream.engine.asks import Ask
from costream.engine.confirmation import Levels
from costream.engine.result import Answer
from costream.lab.evaluate.confirming import Floats, confirm
from costream.lab.evaluate.cross_fit import CrossFit
from costream.lab.evaluate.policies import CONFIRMED, DEFAULT, REFERENCE
from costream.lab.evaluate.results import VideoResult, WindowResult
from costream.settings import EngineSettings
from tests.lab.evaluate.test_cross_fit import SET, answered

SCORES = arrays(np.float64, (6, 2), elements=st.floats(0, 1))
THRESHOLDS = arrays(np.float64, 2, elements=st.floats(0.1, 1))


@given(SCORES, SCORES, THRESHOLDS)
def test_it_is_the_engine_s_rule(cheap: Floats, whole: Floats, thresholds: Floats) -> None:
    asks, levels = [Ask("one"), Ask("other")], Levels()
    yes, asked = confirm(cheap, whole, thresholds)
    for number, (ours, theirs) in enumerate(zip(cheap, whole, strict=True)):
        answers = _answers(ours, thresholds)
        risen = levels.risen(asks, answers)
        told = [theirs[n] if n in risen else ours[n] for n in range(2)]
        levels.tell(asks, _answers(told, thresholds))
        assert np.flatnonzero(asked[number]).tolist() == risen
        assert yes[number].tolist() == (told >= thresholds).tolist()


def _answers(scores: Floats | list[float], thresholds: Floats) -> list[Answer]:
    names = ("one", "other")
    rows = zip(names, scores, thresholds, strict=True)
    return [Answer(name, float(s), threshold=float(t)) for name, s, t in rows]


@given(SCORES, SCORES, THRESHOLDS)
def test_a_video_is_told_where_both_scores_of_some_window_reach_the_threshold(
    cheap: Floats, whole: Floats, thresholds: Floats
) -> None:
    yes, _ = confirm(cheap, whole, thresholds)
    expected = (np.minimum(cheap, whole) >= thresholds).any(axis=0)
    assert yes.any(axis=0).tolist() == expected.tolist()


def _windows(scores: list[list[float]], cost: int) -> tuple[WindowResult, ...]:
    return tuple(
        WindowResult(n, 2.0 * n, 2.0 * n + 4, tuple(row), 9, cost, cost, cost, cost, 1, 1.0)
        for n, row in enumerate(scores)
    )


def test_what_confirming_takes_is_counted() -> None:
    cheap = _windows([[0.1, 0.2], [0.8, 0.9], [0.7, 0.9], [0.7, 0.2]], 1)
    whole = _windows([[0.9, 0.9], [0.3, 0.6], [0.6, 0.1], [0.1, 0.1]], 100)
    result = VideoResult(25.0, cheap, whole=whole)
    told = result.told(np.array([0.5, 0.5]))
    assert told.scores.tolist() == [[0.1, 0.2], [0.3, 0.6], [0.6, 0.9], [0.7, 0.2]]
    assert [window.flops for window in told.windows] == [1, 101, 101, 1]
    assert [window.encoded + window.prefilled for window in told.windows] == [2, 202, 202, 2]
    assert told.told(np.array([0.5, 0.5])) == told
    assert replace(result, whole=None).told(np.array([0.5, 0.5])).windows == cheap


def test_calibrations_go_by_both_scores() -> None:
    # Full recomputation sees a fire that is none, and so does the default: elsewhere.
    full, default = answered(0.98, 0.1), answered(0.98, 0.1)
    for results, number in ((full, "0"), (default, "2")):
        scores = [(0.95,), (0.1,)]
        windows = results[number].windows
        results[number] = replace(
            results[number],
            windows=tuple(replace(w, scores=s) for w, s in zip(windows, scores, strict=True)),
        )
    confirmed = {name: replace(one, whole=full[name].windows) for name, one in default.items()}
    results = {REFERENCE: full, DEFAULT: default, CONFIRMED: confirmed}
    fitted = CrossFit(SET, results, EngineSettings())
    assert fitted.row("none", REFERENCE).f1 == fitted.row("none", DEFAULT).f1 < 1
    assert fitted.row("none", CONFIRMED).f1 == fitted.row("own", CONFIRMED).f1 == 1
    assert fitted.row("none", CONFIRMED).false_alarms == 0
    assert fitted.row("none", DEFAULT).false_alarms == pytest.approx(3600 / (12 * 6))
