"""How long audits take to see what there is to see: hours by the share of windows that differ.

    python scripts/audit_hours.py [--share 0.01] [--stride 8] [--streams 20] [--hours 250]

Streams are drawn, not watched: of each window whether its cheap answer differs, and whether it is
important (one in ten is). Audits then look for it as they do in the engine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from costream.audit import AuditChoice, ConfidenceSequence, Importance

IMPORTANT = 0.1
"""Share of windows that are important."""

RATES = (0.002, 0.01, 0.02, 0.05, 0.2)

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
"""Draws a stream's windows: whether each differs, and whether it is important."""

Moment = Callable[[ConfidenceSequence], bool]


def evenly(rate: float) -> Draw:
    """Returns windows of which any may differ."""
    return lambda rng, n: (rng.random(n) < rate, rng.random(n) < IMPORTANT)


def among_important(rate: float) -> Draw:
    """Returns windows of which only important ones differ, as many in all where that can be."""

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        important = rng.random(n) < IMPORTANT
        return important & (rng.random(n) < rate / IMPORTANT), important

    return draw


def ruled_out(rate: float) -> Moment:
    """Returns the moment from which on such a share of differing windows is ruled out."""
    return lambda sequence: not sequence.covers(rate * sequence.windows)


def watched(draw: Draw, share: float, windows: int, seed: int, *moments: Moment) -> list[float]:
    """Returns the window at which a stream has come to each moment; inf for not at all."""
    choice, found = AuditChoice(share, seed), [np.inf for _ in moments]
    sequence = ConfidenceSequence(choice.floor)
    differs, important = draw(np.random.default_rng([seed, 1]), windows)
    for number, (loss, matters) in enumerate(
        zip(differs.tolist(), important.tolist(), strict=True)
    ):
        chance = choice.probability(Importance(near=matters, changed=False))
        if not choice.draw(chance):
            sequence.skip()
            continue
        sequence.add(chance, True, float(loss))
        for n, moment in enumerate(moments):
            if np.isinf(found[n]) and moment(sequence):
                found[n] = number + 1
        if not any(map(np.isinf, found)):
            break
    return found


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--stride", type=float, default=8.0)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--hours", type=float, default=250.0)
    args = parser.parse_args()
    windows = round(args.hours * 3600 / args.stride)

    def told(times: list[float]) -> str:
        middle, late = np.sort(times)[[len(times) // 2, round(0.9 * len(times)) - 1]]
        hours = [f"{t * args.stride / 3600:.3g}" for t in (middle, late)]
        return " / ".join(hours).replace("inf", f"over {args.hours:g}")

    print("hours, half and nine tenths of the streams:")
    print("| differ | which | one is seen | shown to be over half of it |")
    print("|---|---|---|---|")
    for rate in RATES:
        for which, draw in (("any", evenly(rate)), ("important", among_important(rate))):
            if which == "important" and rate > IMPORTANT:
                continue
            moments = (lambda s: s.seen > 0, ruled_out(rate / 2))
            found = [watched(draw, args.share, windows, n, *moments) for n in range(args.streams)]
            first, over = ([times[n] for times in found] for n in (0, 1))
            print(f"| {rate:.1%} | {which} | {told(first)} | {told(over)} |", flush=True)
    print("| nothing differs, shown to be at most | hours | windows checked |")
    print("|---|---|---|")
    for most in (0.1, 0.03, 0.01):
        below = [
            watched(evenly(0.0), args.share, windows, n, ruled_out(most))[0]
            for n in range(args.streams)
        ]
        print(f"| {most:.0%} | {told(below)} | {np.median(below) * args.share:.0f} |", flush=True)


if __name__ == "__main__":
    main()
