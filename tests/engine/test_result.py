from __future__ import annotations

import json
from dataclasses import replace
from math import nan

import pytest

from costream.engine.result import Answer, FlopCount, Result, TokenCount


@pytest.mark.parametrize(
    ("score", "threshold", "decision"),
    [(0.5, 0.5, "yes"), (0.4999, 0.5, "no"), (0.6, 0.7, "no"), (0.3, 0.3, "yes"), (0, 0, "yes")],
)
def test_a_decision_is_a_yes_from_the_threshold_on(
    score: float, threshold: float, decision: str
) -> None:
    assert Answer("Smoke?", score, threshold=threshold).decision == decision


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_what_is_not_a_number_is_neither_yes_nor_no(threshold: float) -> None:
    answer = Answer("Smoke?", nan, threshold=threshold)
    assert answer.decision is None
    assert answer.to_dict()["score"] is None


def test_a_result_s_json_carries_the_decisions_and_is_json_where_a_score_is_none() -> None:
    answers = (Answer("Smoke?", 0.4, "Yes.", threshold=0.3, calibrated=True), Answer("Fire?", nan))
    tokens = TokenCount(10, 1, 1, 9, 1, 0, 9)
    result = Result("camera", 0, 0, 4, answers, 8, 2, 0, "none", tokens, FlopCount(10, 1, 0))
    first, second = json.loads(json.dumps(result.to_dict(), allow_nan=False))["answers"]
    assert first == {
        "ask": "Smoke?",
        "decision": "yes",
        "score": 0.4,
        "threshold": 0.3,
        "calibrated": True,
        "text": "Yes.",
        "zone": None,
    }
    assert (second["decision"], second["score"], second["calibrated"]) == (None, None, False)
    assert replace(result, answers=()).to_dict()["answers"] == []
