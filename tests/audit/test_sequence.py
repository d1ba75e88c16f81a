"""Intervals that hold at every moment, on streams of every kind."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np
import pytest

from costream.audit import AuditChoice, ConfidenceSequence, Importance

STREAMS, WINDOWS = 200, 600

Rng = np.random.Generator
Kind = Callable[[Rng], tuple[np.ndarray, np.ndarray]]
"""Draws losses and importance of streams: float64 and bool [streams, windows]."""


def steady(rate: float) -> Kind:
    def draw(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        losses = rng.random((STREAMS, WINDOWS)) < rate
        return losses.astype(float), rng.random(losses.shape) < 0.1

    return draw


def bursts(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Five windows after a scene change most answers differ, and hardly any elsewhere."""
    cuts = rng.random((STREAMS, WINDOWS)) < 0.01
    changed = np.stack([np.roll(cuts, n, axis=1) for n in range(5)]).any(axis=0)
    losses = rng.random(cuts.shape) < np.where(changed, 0.7, 0.001)
    return losses.astype(float), changed


def near_threshold(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    near = rng.random((STREAMS, WINDOWS)) < 0.08
    return (near & (rng.random(near.shape) < 0.3)).astype(float), near


def unexpected(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """What differs is never what was taken for important."""
    important = rng.random((STREAMS, WINDOWS)) < 0.3
    return (~important & (rng.random(important.shape) < 0.04)).astype(float), important


def drifting(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    rates = 0.1 * np.clip(np.linspace(-1, 1, WINDOWS), 0, None)
    losses = rng.random((STREAMS, WINDOWS)) < rates
    return losses.astype(float), rng.random(losses.shape) < 0.1


def differences(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Losses that are no flips: differences of scores, most of them small."""
    return rng.beta(0.2, 4, (STREAMS, WINDOWS)), rng.random((STREAMS, WINDOWS)) < 0.1


KINDS = {
    "0": steady(0.0),
    "0.2%": steady(0.002),
    "1%": steady(0.01),
    "5%": steady(0.05),
    "40%": steady(0.4),
    "bursts": bursts,
    "near": near_threshold,
    "unexpected": unexpected,
    "drifting": drifting,
    "differences": differences,
}


def walk(
    losses: np.ndarray, important: np.ndarray, share: float, rng: Rng
) -> tuple[ConfidenceSequence, np.ndarray]:
    """Audits streams side by side; returns what is known in the end, and where it always held."""
    choices = [AuditChoice(share, n) for n in range(STREAMS)]
    sequence = ConfidenceSequence(choices[0].floor, shape=(STREAMS,))
    totals, held = np.cumsum(losses, axis=1), np.ones(STREAMS, bool)
    for t in range(losses.shape[1]):
        chances = [
            choice.probability(Importance(near=bool(one), changed=False))
            for choice, one in zip(choices, important[:, t], strict=True)
        ]
        chosen = rng.random(STREAMS) < chances
        sequence.add(chances, chosen, losses[:, t])
        held &= sequence.covers(totals[:, t])
    return sequence, held


@pytest.mark.parametrize("share", [0.01, 0.2])
@pytest.mark.parametrize("kind", list(KINDS))
def test_at_least_95_streams_of_100_are_covered_at_every_moment(kind: str, share: float) -> None:
    rng = np.random.default_rng(list(KINDS).index(kind))
    losses, important = KINDS[kind](rng)
    sequence, held = walk(losses, important, share, rng)
    assert held.mean() >= 0.95
    low, high = sequence.bounds()
    assert (low <= losses.mean(axis=1)).mean() >= 0.95 <= (losses.mean(axis=1) <= high).mean()
    assert ((low <= sequence.mean()) & (sequence.mean() <= high)).all()
    # The share is not exceeded, but for what chance adds to it.
    assert sequence.checked.sum() / losses.size < share * 1.1


def test_the_bounds_are_tight_where_much_is_checked() -> None:
    rng = np.random.default_rng(1)
    losses = (rng.random((STREAMS, WINDOWS)) < 0.05).astype(float)
    sequence, held = walk(losses, np.zeros(losses.shape, bool), 0.5, rng)
    low, high = sequence.bounds()
    assert held.mean() >= 0.95
    # The weighted mean itself has a standard error of 1.2%.
    assert np.median(high - low) < 0.09
    assert np.median(low) > 0.01


def test_bounds_are_where_sums_are_ruled_out() -> None:
    rng = np.random.default_rng(2)
    sequence = ConfidenceSequence(0.1, shape=(50,))
    for _ in range(300):
        sequence.add(np.full(50, 0.1), rng.random(50) < 0.1, rng.random(50) < 0.2)
    low, high = (300 * bound for bound in sequence.bounds())
    for bound, inwards in ((low, 1e-6), (high, -1e-6)):
        assert sequence.covers(bound + inwards).all()
        # Beyond these no sum of losses goes: what was checked is known.
        most = 300 - (sequence.checked - sequence.seen)
        inside = (bound - inwards > sequence.seen) & (bound - inwards < most)
        assert not sequence.covers(bound - inwards)[inside].any()


@pytest.mark.parametrize("share", [0.01, 0.2])
def test_where_nothing_differs_200_audits_bring_the_bound_under_3_percent(share: float) -> None:
    choice = AuditChoice(share, 0)
    windows = round(200 / share)
    sequence = ConfidenceSequence(choice.floor)
    for _ in range(windows):
        chosen = choice.draw(choice.probability(Importance(near=False, changed=False)))
        sequence.add(choice.floor, chosen, 0.0)
    bounds = sequence.interval()
    assert bounds.low == 0 and bounds.high < 0.03
    # As the docstring says, to first order in the probability.
    assert bounds.high <= log(4 / 0.05) / (choice.floor * windows)


def test_all_windows_checked_leave_no_doubt() -> None:
    sequence = ConfidenceSequence(1.0)
    for n in range(40):
        sequence.add(1.0, True, float(n % 4 == 0))
    assert sequence.interval().low == sequence.interval().high == 0.25 == sequence.mean()


def test_what_could_not_be_checked_is_held_against_the_answers() -> None:
    known, missed = ConfidenceSequence(0.5), ConfidenceSequence(0.5)
    for n in range(200):
        known.add(0.5, n % 2 == 0, 0.0)
        missed.add(0.5, n % 2 == 0, float("nan") if n % 20 == 0 else 0.0)
    assert missed.missed == 10 and missed.checked == 90
    assert missed.interval().high > known.interval().high + 0.05
    assert missed.interval().low == 0


def test_nothing_is_known_before_a_window() -> None:
    interval = ConfidenceSequence(0.01).interval()
    assert (interval.low, interval.high) == (0, 1)
    with pytest.raises(ValueError, match="no probability"):
        ConfidenceSequence(0)
