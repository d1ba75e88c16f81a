from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.lab.evaluate.metrics import Counts, count_videos

sets = st.frozensets(st.sampled_from("ABC"))


def test_ratios_by_hand() -> None:
    counts = Counts(hits=6, false=2, missed=4)
    assert (counts.precision, counts.recall) == (0.75, 0.6)
    assert counts.f1 == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))


def test_a_ratio_of_nothing_is_zero() -> None:
    assert (Counts().precision, Counts().recall, Counts().f1) == (0, 0, 0)


def test_a_video_counts_once_for_each_category() -> None:
    found = count_videos([({"A"}, {"A", "B"}), ({"B"}, set()), (set(), {"A"})], ["A", "B"])
    assert found == {"A": Counts(1, 1, 0), "B": Counts(0, 1, 1)}


@given(videos=st.lists(st.tuples(sets, sets), min_size=1))
def test_the_sum_is_over_all_pairs(videos: list[tuple[frozenset[str], frozenset[str]]]) -> None:
    total = sum(count_videos(videos, "ABC").values(), Counts())
    assert total.hits == sum(len(shown & said) for shown, said in videos)
    assert total.false == sum(len(said - shown) for shown, said in videos)
    assert total.missed == sum(len(shown - said) for shown, said in videos)
    assert 0 <= total.f1 <= 1
