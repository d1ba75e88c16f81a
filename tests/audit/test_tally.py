from __future__ import annotations

import json

import numpy as np

from costream.audit import AuditChoice, AuditTally, Checked, Importance, Judgement
from costream.audit.tally import cause_of


def judged(score: float, ask: str = "Is it?") -> Judgement:
    decision = None if np.isnan(score) else "yes" if score >= 0.5 else "no"
    return Judgement(ask, None, score, decision)


def test_windows_count_in_order_whatever_is_done_first() -> None:
    tally = AuditTally(0.5, 0.5)
    keys = [("Is it?", None)]
    first = tally.add(keys, 0.5, chosen=True)
    tally.add(keys, 0.5, chosen=False)
    last = tally.add(keys, 0.5, chosen=True)
    tally.settle(last, None)
    assert tally.report().windows == 0
    tally.settle(first, [Checked(judged(0.6), judged(0.4), "pruning")])
    report = tally.report()
    assert (report.windows, report.checked, report.missed) == (3, 1, 1)
    (question,) = report.questions
    assert question.flips == 1 and question.causes == {"pruning": 1}
    assert question.share == 1.0 and abs(question.difference - 0.2) < 1e-9
    assert question.bounds.low >= 1 / 3
    assert json.loads(json.dumps(report.to_dict()))["questions"][0]["causes"] == {"pruning": 1}


def test_questions_that_come_later_have_windows_of_their_own() -> None:
    tally = AuditTally(1.0, 1.0)
    for asks in (["a"], ["a", "b"], ["b"]):
        window = tally.add([(ask, None) for ask in asks], 1.0, chosen=True)
        tally.settle(window, [Checked(judged(0.9, ask), judged(0.9, ask)) for ask in asks])
    report = tally.report()
    assert [(q.ask, q.windows, q.flips) for q in report.questions] == [("a", 2, 0), ("b", 2, 0)]
    assert report.bounds.high == 0 and report.windows == 3


def test_a_score_that_is_no_number_differs_from_one_that_is() -> None:
    nan = float("nan")
    assert Checked(judged(nan), judged(0.2)).difference == 1
    assert Checked(judged(nan), judged(0.2)).flipped
    assert Checked(judged(nan), judged(nan)).difference == 0
    assert not Checked(judged(nan), judged(nan)).flipped


def test_the_cause_is_what_the_decision_changes_with() -> None:
    cheap = judged(0.4)
    answers = {"reuse": judged(0.45), "pruning": judged(0.6), "decoding": judged(0.7)}
    assert cause_of(cheap, answers) == "pruning"
    back_and_forth = {"reuse": judged(0.55), "pruning": judged(0.45), "decoding": judged(0.9)}
    assert cause_of(cheap, back_and_forth) == "decoding"


def test_important_windows_are_favoured_within_the_share_and_all_may_be_chosen() -> None:
    choice = AuditChoice(0.04, 7)
    rng = np.random.default_rng(0)
    important = rng.random(20000) < 0.1
    chances = np.array(
        [choice.probability(Importance(near=False, changed=bool(one))) for one in important]
    )
    assert chances[~important].min() == chances.min() == choice.floor > 0
    assert chances[important][100:].min() > 2 * choice.floor
    assert chances.max() <= 0.4
    assert abs(chances.mean() - 0.04) < 0.002
    drawn = np.mean([choice.draw(0.25) for _ in range(4000)])
    assert abs(drawn - 0.25) < 0.03


def test_a_share_of_one_checks_every_window() -> None:
    choice = AuditChoice(1.0, 0)
    assert choice.probability(Importance(near=False, changed=False)) == 1.0
    assert choice.draw(1.0)
