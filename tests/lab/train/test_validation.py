"""Scores are calibrated kind by kind, for both policies at once."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from costream.lab.evaluate.calibration import OFFERED
from costream.lab.evaluate.policies import DEFAULT, REFERENCE
from costream.lab.synth.events import EVENT_KINDS
from costream.lab.train import RECIPES, validation
from costream.lab.train.validation import (
    Judged,
    choose_calibration,
    judge_validation,
    summarise,
)
from costream.models import write_untrained


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
    even = choose_calibration(videos)
    assert -2 < even["loitering"] < 0
    assert 3 < even["fire"] < 6
    assert summarise(videos, even)[REFERENCE] == summarise(videos, even)["fire"] == 1


def test_what_pruning_takes_away_counts_as_much_as_what_full_windows_show():
    videos = [judged("abandoned", abandoned=5.0, default={"abandoned": 3.0}), judged(abandoned=1.0)]
    even = choose_calibration(videos)
    assert 1 < even["abandoned"] < 3
    assert summarise(videos, even)[DEFAULT] == 1


def test_what_never_happened_is_never_said():
    even = choose_calibration([judged(fire=2.0)])
    assert even["fire"] > 2
    assert even.keys() == set(EVENT_KINDS)
    assert all(min(abs(OFFERED - odds)) == pytest.approx(0, abs=1e-3) for odds in even.values())


def test_what_was_judged_before_is_taken_up(tmp_path, monkeypatch):
    asked = []

    def judge(folder, recipe, count, number):
        asked.append(number)
        return judged("fire", fire=float(number))

    monkeypatch.setattr(validation, "_judge", judge)
    monkeypatch.setattr(validation, "process_pool", lambda workers: ThreadPoolExecutor(1))
    model, kept = write_untrained(tmp_path / "model", "test"), tmp_path / "judged.jsonl"
    first = judge_validation(model, RECIPES["tiny"], 3, kept)
    assert asked == [0, 1, 2]
    lines = kept.read_text().splitlines(keepends=True)
    # The run was cut off while it wrote of the last video.
    kept.write_text("".join([*lines[:2], lines[2][:40]]))
    assert judge_validation(model, RECIPES["tiny"], 3, kept) == first
    assert asked == [0, 1, 2, 2]
    assert judge_validation(model, RECIPES["tiny"], 3, kept) == first
    assert asked == [0, 1, 2, 2]
    other = write_untrained(tmp_path / "model", "test", seed=5)
    judge_validation(other, RECIPES["tiny"], 3, kept)
    assert asked[4:] == [0, 1, 2]
    assert len({json.loads(line)["origin"]["weights"] for line in lines}) == 1
