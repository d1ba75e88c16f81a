"""Thresholds are chosen kind by kind."""

from types import SimpleNamespace

from costream.synth.events import EVENT_KINDS
from costream.train.validation import OFFERED, choose_thresholds, summarise


def clip(*kinds):
    return SimpleNamespace(events=[SimpleNamespace(kind=kind) for kind in kinds])


def windows(**scores):
    """Two windows of which the second shows more."""
    return [
        {kind: (weight * scores.get(kind, 0.01), None) for kind in EVENT_KINDS}
        for weight in (0.5, 1)
    ]


def test_a_kind_that_is_told_with_little_confidence_gets_a_low_threshold():
    clips = [clip("fire"), clip("loitering"), clip()]
    scored = [windows(fire=0.97), windows(loitering=0.3), windows(fire=0.9, loitering=0.2)]
    chosen = choose_thresholds(scored, clips)
    assert 0.2 < chosen["loitering"] < 0.3
    assert 0.9 < chosen["fire"] < 0.97
    assert summarise(scored, clips, chosen)["f1"] == 1


def test_what_never_happened_is_never_said():
    chosen = choose_thresholds([windows(fire=0.8)], [clip()])
    assert chosen["fire"] > 0.8
    assert chosen.keys() == set(EVENT_KINDS)
    assert all(one in OFFERED for one in chosen.values())
