"""Operating points: what lies next to them, what they are called, and what overload leaves."""

from __future__ import annotations

import pytest

from costream.control import LEVELS, PRUNING, RECOMPUTING, USUAL, OperatingPoint


def test_from_least_care_to_full_recomputation() -> None:
    thresholds = [knobs.threshold for knobs in PRUNING]
    anchors = [knobs.anchors for knobs in PRUNING]
    assert thresholds == sorted(thresholds, reverse=True)
    assert anchors == sorted(anchors, reverse=True)
    assert (PRUNING[-1].threshold, PRUNING[-1].anchors) == (0, 0)
    assert RECOMPUTING[0] is None
    assert RECOMPUTING[-1] == 1
    assert USUAL.knobs == PRUNING[2] and USUAL.knobs.threshold == USUAL.knobs.anchors == 1


def test_there_is_nothing_beyond_the_ends() -> None:
    assert OperatingPoint(pruning=0).with_pruning(-1) is None
    assert OperatingPoint(pruning=len(PRUNING) - 1).with_pruning(1) is None
    assert USUAL.with_recomputing(-1) is None
    assert OperatingPoint(recomputing=len(RECOMPUTING) - 1).with_recomputing(1) is None
    assert OperatingPoint(decode_all=True).with_decoding() is None
    assert USUAL.with_decoding() == OperatingPoint(decode_all=True)


@pytest.mark.parametrize(
    ("point", "text"),
    [
        (USUAL, "usual"),
        (OperatingPoint(pruning=1), "threshold x1.25, anchors x4 apart"),
        (OperatingPoint(pruning=5, recomputing=4), "nothing pruned, recomputed each window"),
        (OperatingPoint(recomputing=1, decode_all=True), "recomputed every 8 windows, all decoded"),
        (OperatingPoint(stretch=2, thin=2), "stride x2, rate / 2"),
    ],
)
def test_points_are_told_in_words(point: OperatingPoint, text: str) -> None:
    assert str(point) == text


def test_overload_takes_thresholds_first_then_strides_then_the_rate() -> None:
    careful = OperatingPoint(pruning=4, recomputing=3, decode_all=True)
    levels = [careful.degraded(level) for level in range(LEVELS)]
    assert levels[0] == careful
    assert levels[1] == OperatingPoint(pruning=0)
    assert [point.stretch for point in levels] == sorted(point.stretch for point in levels)
    assert [point.thin for point in levels] == [1, 1, 1, 1, 2]
    assert len(set(levels)) == LEVELS
