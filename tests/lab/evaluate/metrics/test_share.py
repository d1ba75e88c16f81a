from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.lab.evaluate.metrics import share_of

counts = st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_no_flip_is_not_taken_for_certainty() -> None:
    """Wilson's upper bound for 0 of 100 is 3.7%."""
    flips = share_of([0, 0], [50, 50])
    assert (flips.value, flips.low, flips.of) == (0, 0, 100)
    assert flips.high == pytest.approx(0.037, abs=0.001)


def test_flips_in_one_video_are_worth_less_than_flips_in_many() -> None:
    together = share_of([20, *[0] * 9], [20] * 10)
    apart = share_of([2] * 10, [20] * 10)
    assert together.value == apart.value == 0.1
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_nothing_compared_says_nothing() -> None:
    assert (share_of([], []).low, share_of([], []).high) == (0, 1)


@given(videos=st.lists(counts, min_size=1, max_size=8))
def test_the_share_lies_in_its_interval(videos: list[tuple[int, int]]) -> None:
    parts, wholes = zip(*videos, strict=True)
    flips = share_of(parts, wholes)
    assert 0 <= flips.low <= flips.value <= flips.high <= 1
    assert flips == share_of(parts, wholes), "the drawing is seeded"
