"""Precision, recall and F1 from counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """How often yes was right, wrong and missing.

    A ratio without a denominator is 0.

    Attributes:
        hits: yes, and it was so.
        false: yes, and it was not so.
        missed: it was so, and no yes.
    """

    hits: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.hits + other.hits, self.false + other.false, self.missed + other.missed)

    @property
    def precision(self) -> float:
        """Share of yes that was right."""
        return _ratio(self.hits, self.hits + self.false)

    @property
    def recall(self) -> float:
        """Share of what was so that was found."""
        return _ratio(self.hits, self.hits + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return _ratio(2 * self.hits, 2 * self.hits + self.false + self.missed)


def count_videos(
    videos: Iterable[tuple[Collection[str], Collection[str]]], categories: Iterable[str]
) -> dict[str, Counts]:
    """Counts by category over videos; their sum is the micro average over all pairs.

    Args:
        videos: for each video what it shows and what was said of it.
        categories: those that were asked for.
    """
    pairs = list(videos)
    return {
        category: sum(
            (_count(category in shown, category in said) for shown, said in pairs), Counts()
        )
        for category in categories
    }


def _count(shown: bool, said: bool) -> Counts:
    return Counts(int(shown and said), int(said and not shown), int(shown and not said))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
