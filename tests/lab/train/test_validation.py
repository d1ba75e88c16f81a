"""Scores are calibrated kind by kind, for both policies at once."""

import pytest

from costream.lab.evaluate.policies import DEFAULT, REFERENCE
from costream.lab.synth.events import EVENT_KINDS
from costream.lab.train.validation import OFFERED, Judged, choose_even_odds, summarise


def judged(*happened, default=None, **odds):
    """A video that all else than what is given is far from being told of."""
    full = {kind: odds.get(kind, -5.0) for kind in EVENT_KINDS}
    return Judged(frozenset(happened), {REFERENCE: full, DEFAULT: {**full, **(default or {})}})


def test_a_kind_that_is_told_with_little_confidence_is_believed_early():
    videos = [
        judged("fire", fire=6.0),
        judged("loitering", loitering=0.0),
        judged(fire=3.0, loitering=-2.0),
    ]
    even = choose_even_odds(videos)
    assert -2 < even["loitering"] < 0
    assert 3 < even["fire"] < 6
    assert summarise(videos, even)[REFERENCE] == summarise(videos, even)["fire"] == 1


def test_what_pruning_takes_away_counts_as_much_as_what_full_windows_show():
    videos = [judged("abandoned", abandoned=5.0, default={"abandoned": 3.0}), judged(abandoned=1.0)]
    even = choose_even_odds(videos)
    assert 1 < even["abandoned"] < 3
    assert summarise(videos, even)[DEFAULT] == 1


def test_what_never_happened_is_never_said():
    even = choose_even_odds([judged(fire=2.0)])
    assert even["fire"] > 2
    assert even.keys() == set(EVENT_KINDS)
    assert all(min(abs(OFFERED - odds)) == pytest.approx(0, abs=1e-3) for odds in even.values())
