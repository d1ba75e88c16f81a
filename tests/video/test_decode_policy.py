"""When a stream is decoded, followed or caught up with."""

import pytest

from costream.video.decode_policy import (
    EARNED,
    FIRST,
    FIRST_CREDIT,
    FOLLOWED_BYTE,
    FOLLOWED_PICTURE,
    MAX_CREDIT,
    Policy,
    State,
)

MACROBLOCKS, SIZE = 1000.0, 100
DECODED = 1 + SIZE / MACROBLOCKS
FOLLOWED = FOLLOWED_PICTURE + FOLLOWED_BYTE * SIZE / MACROBLOCKS


def watched():
    policy = Policy(MACROBLOCKS)
    for _ in range(FIRST):
        assert not policy.may_follow()
        look(policy)
    return policy


def look(policy, *, rests=True):
    """Notes a tick's picture, where what it shows is worth knowing."""
    if policy.tick():
        policy.look(rests=rests)


def waste(policy, units):
    """Follows so many units in vain."""
    policy.follow()
    policy.wake("change", urgent=False)
    for _ in range(units):
        policy.waste(SIZE)
    policy.caught_up()


def until_followed(policy):
    """Counts the units that are decoded until others may be followed again."""
    units = 0
    while not policy.may_follow():
        policy.earn(SIZE)
        units += 1
    return units


def test_a_stream_is_watched_before_it_is_followed():
    policy = Policy(MACROBLOCKS)
    assert (policy.state, policy.reason) == (State.DECODING, "start")
    policy = watched()
    assert policy.may_follow()
    policy.follow()
    assert policy.state is State.FOLLOWING


def test_it_is_caught_up_with_before_it_is_decoded_as_it_comes():
    policy = watched()
    policy.follow()
    policy.wake("change", urgent=False)
    assert (policy.state, policy.reason) == (State.CATCHING_UP, "change")
    policy.caught_up()
    assert (policy.state, policy.reason) == (State.DECODING, "busy")


def test_where_something_moves_a_tick_that_rests_is_waited_for():
    policy = watched()
    for _ in range(100):
        look(policy, rests=False)
        assert not policy.may_follow()
    look(policy)
    assert policy.may_follow()


def test_what_is_followed_in_vain_has_to_be_earned_by_decoding():
    policy = watched()
    waste(policy, 100)
    owed = 100 * FOLLOWED - FIRST_CREDIT
    assert until_followed(policy) == pytest.approx(owed / EARNED / DECODED, abs=1)


def test_what_can_not_be_followed_is_not_looked_at():
    policy = watched()
    waste(policy, 1000)
    assert not policy.tick()
    look(policy)
    while not policy.tick():
        assert not policy.may_follow()
        policy.earn(SIZE)
    policy.look(rests=True)
    assert policy.may_follow()


@pytest.mark.parametrize("length", [1, 12, 250, 1024])
def test_however_often_it_is_in_vain_it_costs_hardly_more_than_decoding(length):
    policy, decoded, wasted = watched(), 0, 0
    while decoded + wasted < 200_000:
        waste(policy, length)
        wasted += length
        decoded += until_followed(policy)
    cost = 1 + FOLLOWED * wasted / DECODED / (decoded + wasted)
    assert 1.01 < cost <= 1 + EARNED + (FIRST_CREDIT + FOLLOWED * length) / DECODED / 200_000


def test_what_is_saved_may_be_spent_up_to_a_bound():
    policy = watched()
    policy.follow()
    policy.save(100_000, 100_000 * SIZE)
    waste(policy, int(MAX_CREDIT / FOLLOWED) - 1)
    assert policy.may_follow()
    waste(policy, 2)
    assert not policy.may_follow()


def test_a_picture_that_is_decoded_twice_is_all_in_vain():
    once, twice = watched(), watched()
    waste(once, 100)
    waste(twice, 99)
    twice.waste(SIZE, again=True)
    assert until_followed(twice) == pytest.approx(until_followed(once) + 1 / EARNED, abs=1)


def test_bytes_are_what_following_costs():
    few, many = watched(), watched()
    for policy, size in ((few, 10), (many, 3000)):
        policy.follow()
        policy.wake("change", urgent=False)
        for _ in range(20):
            policy.waste(size)
        policy.caught_up()
    assert few.may_follow()
    assert until_followed(many) > 20 * FOLLOWED_BYTE / EARNED


def test_what_takes_as_long_to_follow_as_to_decode_saves_nothing():
    policy = watched()
    waste(policy, 100)
    owed = until_followed(policy)
    waste(policy, 100)
    policy.save(1000, 1000 * round(2 * MACROBLOCKS))
    assert until_followed(policy) >= owed


def test_where_all_has_to_be_decoded_it_is_not_followed_in_the_midst():
    policy = watched()
    policy.follow()
    policy.wake("unknown", urgent=True)
    look(policy)
    assert not policy.may_follow()
    policy.caught_up()
    assert policy.may_follow()


def test_a_stream_is_given_up_for_good():
    policy = watched()
    policy.give_up("it uses MBAFF")
    policy.caught_up()
    assert (policy.state, policy.reason, policy.why_whole) == (
        State.WHOLE,
        "whole",
        "it uses MBAFF",
    )
    assert not policy.may_follow()
