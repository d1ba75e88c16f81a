"""Tests of a rate: how often they are wrong, and how soon they are right."""

from __future__ import annotations

import numpy as np
import pytest

from costream.control import RateDetector, RateTest

RATE = 0.05


def draws(rate: float, number: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(number) < rate).astype(float)


def alarms(losses: np.ndarray, bar: float) -> int:
    """Returns how often a detector reaches the bar, begun again each time."""
    detector, count = RateDetector(RATE), 0
    for loss in losses:
        detector.add(loss)
        if detector.evidence >= bar:
            detector, count = RateDetector(RATE), count + 1
    return count


def test_at_the_rate_an_alarm_comes_no_more_often_than_once_in_as_many_as_the_bar() -> None:
    assert alarms(draws(RATE, 20_000, seed=1), bar=100.0) <= 20_000 / 100


@pytest.mark.parametrize(("rate", "within"), [(0.15, 150), (0.3, 40), (1.0, 4)])
def test_an_excess_is_noticed(rate: float, within: int) -> None:
    needed = []
    for seed in range(100):
        detector = RateDetector(RATE)
        losses = draws(rate, 2000, seed)
        found = 2000
        for n, loss in enumerate(losses):
            detector.add(loss)
            if detector.evidence >= 100:
                found = n + 1
                break
        needed.append(found)
    assert np.median(needed) <= within


def test_an_excess_that_begins_late_is_noticed_as_soon() -> None:
    detector = RateDetector(RATE)
    for _ in range(5000):
        detector.add(0.0)
    needed = 0
    while detector.evidence < 100:
        detector.add(1.0)
        needed += 1
    assert needed <= 4


@pytest.mark.parametrize("rate", [RATE, 0.1])
def test_a_rate_that_is_not_lower_is_rarely_taken_for_lower(rate: float) -> None:
    wrong = 0
    for seed in range(400):
        test, best = RateTest(RATE), 1.0
        for loss in draws(rate, 1000, seed):
            test.add(loss)
            best = max(best, test.evidence)
        wrong += best >= 20
    assert wrong <= 400 / 20


def test_without_a_loss_a_lower_rate_is_known_after_a_few_times_its_inverse() -> None:
    test, needed = RateTest(RATE), 0
    while test.evidence < 20:
        test.add(0.0)
        needed += 1
    assert 3.0 / RATE < needed < 4.0 / RATE


def test_weights_undo_what_was_drawn_more_often() -> None:
    """Half of what happens is drawn ten times as often, and holds all losses."""
    rng = np.random.default_rng(5)
    counts = []
    for _ in range(200):
        detector, alarmed = RateDetector(RATE), False
        for _ in range(400):
            lossy = rng.random() < 10 / 11
            loss = float(lossy and rng.random() < RATE)  # half of it: a rate of RATE / 2
            detector.add(loss, 0.1 if lossy else 1.0)
            alarmed |= detector.evidence >= 100
        counts.append(alarmed)
    assert np.mean(counts) < 0.05
