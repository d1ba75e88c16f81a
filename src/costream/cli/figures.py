"""A window's figures in words, as all displays write them. Rounding never makes them untrue."""

from __future__ import annotations

from math import floor, isnan
from typing import get_args

from costream.engine.result import Answer, Result
from costream.video import DecodeCount
from costream.video.decode_count import Reason

UNKNOWN = "?"
"""Stands where there is no decision: the score is not a number."""


def score(answer: Answer) -> str:
    """Returns the score with two digits, rounded down: 0.499 is no 0.50."""
    # What is a hair below a hundredth by binary rounding alone is that hundredth.
    return "nan " if isnan(answer.score) else f"{floor(answer.score * 100 + 1e-9) / 100:.2f}"


def decision(answer: Answer) -> str:
    """Returns ``yes``, ``no`` or :data:`UNKNOWN`."""
    return answer.decision or UNKNOWN


def share(part: float, whole: float) -> str:
    """Returns a percentage that is 0% or 100% only where it is exactly that, ``-`` of nothing."""
    if whole <= 0:
        return "-"
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "<1%"
    if 99 < percent < 100:
        return ">99%"
    return f"{percent:.0f}%"


def saved(spent: float, full: float) -> str:
    """Returns the percentage of ``full`` that was not spent."""
    return share(full - spent, full)


def span(result: Result) -> str:
    """Returns where the window lies in stream time."""
    return f"{result.start:.1f}-{result.end:.1f} s"


def evidence(result: Result) -> list[str]:
    """Returns what a window was answered from and what that cost, most telling first."""
    tokens, flops = result.tokens, result.flops
    damaged = [f"{count(result.damaged, 'frame')} damaged"] if result.damaged else []
    lag = [] if result.lag is None else [f"lag {result.lag:.1f} s"]
    return [
        *damaged,
        *lag,
        f"FLOPs saved {saved(flops.spent, flops.full)}",
        f"kept {share(tokens.kept, tokens.full)}",
        f"prefilled {share(tokens.prefilled, tokens.full)}",
        f"{result.seconds.total:.2f} s",
    ]


def reasons(decoding: DecodeCount) -> str:
    """Returns why frames were decoded, as shares of all of them, most frequent first."""
    decoded = [(k, n) for k, n in decoding.to_dict().items() if k in get_args(Reason)]
    ordered = sorted(decoded, key=lambda item: -item[1])
    return ", ".join(f"{name} {share(number, decoding.total)}" for name, number in ordered)


def count(number: int, noun: str) -> str:
    """Returns a number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
