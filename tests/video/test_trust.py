"""What is believed of a stream rises and falls with what decoded pictures showed."""

import pytest

from costream.video.trust import (
    AUDIT,
    HOLD_OFF,
    KEPT,
    LEAST_LIMIT,
    LIMIT,
    MAX_AUDIT,
    MAX_HOLD_OFF,
    MOST_LIMIT,
    SIZE_MARGIN,
    Trust,
)

SIZE = 10_000


def audit(
    trust: Trust,
    time: float,
    change: float,
    expected: float,
    *,
    light: float = 0.0,
    size: int = SIZE,
) -> bool:
    return trust.audit(time, size, change, expected, light)


def is_due(trust: Trust, time: float, size: int = SIZE) -> bool:
    return trust.is_audit_due(time, size)


def test_key_frames_are_left_alone_for_longer_each_time_that_one_agrees():
    trust, time, gaps = Trust(), 0.0, []
    for _ in range(400):
        time += 1.0
        if is_due(trust, time):
            gaps.append(trust.age(time))
            assert audit(trust, time, 1.0, 1.0)
    # The first one, then one that comes later than the seconds.
    assert gaps[:4] == [1, AUDIT + 1, 2 * AUDIT + 1, 4 * AUDIT + 1]
    assert gaps[-1] == MAX_AUDIT + 1


def test_light_that_was_not_followed_leaves_the_next_alone_for_no_longer():
    trust = Trust()
    for time in range(4):
        assert audit(trust, float(time), LIMIT, 1.0, light=LIMIT)
    assert is_due(trust, 3.0 + AUDIT + 0.1)
    assert audit(trust, 4.0, LIMIT, LIMIT, light=LIMIT)
    assert not is_due(trust, 4.0 + AUDIT + 0.1)


def test_what_single_places_differ_by_where_the_whole_does_not_is_noise():
    trust = Trust()
    for time in range(3):
        assert audit(trust, float(time), LIMIT, 1.0)
    assert not is_due(trust, 2.0 + 2 * AUDIT)


def test_one_of_another_size_than_those_that_agreed_is_decoded():
    trust = Trust()
    for time in range(3):
        assert audit(trust, float(time), 1.0, 1.0)
    larger, smaller = round(SIZE * (1 + 2 * SIZE_MARGIN)), round(SIZE * (1 - 2 * SIZE_MARGIN))
    assert not is_due(trust, 3.0)
    assert is_due(trust, 3.0, larger)
    assert is_due(trust, 3.0, smaller)
    assert audit(trust, 3.0, 1.0, 1.0, size=larger)
    assert not is_due(trust, 4.0, larger)
    assert not is_due(trust, 4.0)
    assert is_due(trust, 4.0, smaller)
    trust.change(20.0)
    assert audit(trust, 5.0, 1.0, 1.0, size=smaller)
    assert is_due(trust, 5.0, larger)


@pytest.mark.parametrize("change", [True, False])
def test_after_a_change_the_next_key_frame_is_decoded(change):
    trust = Trust()
    for time in range(5):
        assert audit(trust, float(time), 1.0, 1.0)
    assert not is_due(trust, 5.0)
    if change:
        trust.change(20.0)
    else:
        assert not audit(trust, 4.0, 20.0, 1.0)
    assert is_due(trust, 5.0)


def test_light_that_adds_up_is_no_reason_to_decode_the_next_key_frame():
    trust = Trust()
    for time in range(5):
        assert audit(trust, float(time), 1.0, 1.0)
    trust.change(LIMIT + 0.5)
    assert not audit(trust, 4.0, KEPT + 0.5, LIMIT - 0.5)
    assert not is_due(trust, 5.0)
    assert is_due(trust, 4.0 + 8 * AUDIT + 0.1)


def test_missed_changes_lower_the_limit_then_stop_the_following_for_longer_each_time():
    trust, time, held = Trust(), 0.0, []
    while trust.limit > LEAST_LIMIT:
        trust.miss(time)
        assert not trust.is_doubted(time)
    for _ in range(8):
        trust.miss(time)
        begun = time
        while trust.is_doubted(time):
            time += HOLD_OFF
        held.append(time - begun)
    assert held[:3] == [HOLD_OFF, 2 * HOLD_OFF, 4 * HOLD_OFF]
    assert held[-1] == MAX_HOLD_OFF


def test_audits_that_agree_raise_the_limit_again():
    trust = Trust()
    trust.miss(0.0)
    lowered = trust.limit
    assert not audit(trust, 1.0, 20.0, 1.0)
    assert trust.limit == lowered
    for time in range(2, 6):
        assert audit(trust, float(time), 1.0, 1.0)
    assert lowered < trust.limit <= MOST_LIMIT
