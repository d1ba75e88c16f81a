from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.lab.evaluate.metrics import area_under_roc, average_precision, frame_scores

items = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30)


@given(items=items)
def test_the_area_is_the_chance_that_a_positive_scores_higher(
    items: list[tuple[int, bool]],
) -> None:
    positives = [score for score, label in items if label]
    negatives = [score for score, label in items if not label]
    scores, labels = (np.array(column) for column in zip(*items, strict=True))
    area = area_under_roc(scores.astype(float), labels)
    if not positives or not negatives:
        assert area is None
        return
    wins = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
    assert area == pytest.approx(wins / (len(positives) * len(negatives)))


def test_precision_is_averaged_over_what_should_be_found() -> None:
    scores, labels = np.array([0.1, 0.9, 0.4, 0.7]), np.array([False, True, True, False])
    # First of one, then second of three.
    assert average_precision(scores, labels) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(scores, np.zeros(4, np.bool_)) is None


def test_a_frame_gets_the_mean_of_the_windows_over_it() -> None:
    scores, held = frame_scores(
        [(0.0, 4.0), (2.0, 6.0)], np.array([[0.2, 1.0], [0.6, 0.0]]), np.arange(0, 8, 1.0)
    )
    assert scores[:, 0].tolist() == pytest.approx([0.2, 0.2, 0.4, 0.4, 0.6, 0.6, 0, 0])
    assert scores[:, 1].tolist() == pytest.approx([1, 1, 0.5, 0.5, 0, 0, 0, 0])
    assert held.tolist() == [True] * 6 + [False] * 2
