from __future__ import annotations

from math import inf

import pytest

from costream.lab.evaluate.peers import Agreement, Answered, PeerReport, log_odds


def turns(*odds: float) -> tuple[Answered, ...]:
    return tuple(Answered(0.1, 0.2, value) for value in odds)


@pytest.mark.parametrize(("score", "expected"), [(0.5, 0.0), (0.75, 1.0986), (0.25, -1.0986)])
def test_log_odds_are_those_of_the_score(score: float, expected: float) -> None:
    assert log_odds(score) == pytest.approx(expected, abs=1e-4)


def test_log_odds_of_what_is_certain_have_no_end() -> None:
    assert (log_odds(0.0), log_odds(1.0)) == (-inf, inf)


def test_agreement_counts_flips_and_measures_the_distance() -> None:
    found = Agreement.of(turns(1.0, -2.0, 0.5), turns(1.25, 1.0, 0.5))
    assert found == Agreement(mean=3.25 / 3, largest=3.0, flips=1 / 3, infinite=0)


def test_what_is_infinite_is_counted_and_not_averaged() -> None:
    found = Agreement.of(turns(inf, 1.0), turns(3.0, 2.0))
    assert found == Agreement(mean=1.0, largest=1.0, flips=0.0, infinite=1)
    assert Agreement.of(turns(inf), turns(inf)) == Agreement(None, None, 0.0, 1)


def test_a_report_is_json_of_all_but_infinity() -> None:
    report = PeerReport({}, {"costream": turns(inf, 1.0), "transformers": turns(2.0, 1.0)})
    odds = [turn["log_odds"] for turn in report.to_dict()["sides"]["costream"]]
    assert odds == [None, 1.0]
