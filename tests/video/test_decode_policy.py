"""When a stream is decoded, followed or caught up with."""

from costream.video.decode_policy import FIRST, LIGHT, MAX_PAUSE, MAX_WASTE, SETTLED, Policy, State
from costream.video.trust import LIMIT

STILL, LIT, MOVING = 1.0, LIMIT + 1, 2 * LIGHT


def following():
    policy = Policy()
    ticks_until_followed(policy)
    return policy


def ticks_until_followed(policy):
    """Counts the still ticks that are decoded until units may be followed again."""
    ticks = 0
    while not policy.may_follow():
        policy.look(STILL, LIMIT)
        ticks += 1
    policy.follow()
    return ticks


def test_a_stream_is_watched_before_it_is_followed():
    policy = Policy()
    assert (policy.state, policy.reason) == (State.DECODING, "start")
    assert ticks_until_followed(policy) == FIRST


def test_a_stream_that_keeps_changing_is_tried_ever_more_seldom():
    policy, pauses = following(), []
    for _ in range(8):
        policy.wake("change", urgent=False)
        assert (policy.state, policy.reason) == (State.CATCHING_UP, "change")
        policy.caught_up()
        assert (policy.state, policy.reason) == (State.DECODING, "busy")
        pauses.append(ticks_until_followed(policy))
    assert pauses == [1, 2, 4, 8, 16, 32, MAX_PAUSE, MAX_PAUSE]


def settled():
    policy = following()
    for _ in range(3):
        policy.wake("change", urgent=False)
        policy.caught_up()
        ticks_until_followed(policy)
    for _ in range(SETTLED):
        policy.still()
    policy.save()
    policy.wake("change", urgent=False)
    return policy


def test_one_that_was_quiet_is_followed_again_at_once_where_light_has_added_up():
    policy = settled()
    assert not policy.may_follow()
    policy.look(LIT, LIMIT)
    assert policy.may_follow()


def test_where_something_moves_a_still_tick_is_waited_for():
    policy = settled()
    for _ in range(100):
        policy.look(MOVING, LIMIT)
        assert not policy.may_follow()
    policy.look(STILL, LIMIT)
    assert policy.may_follow()


def test_still_ticks_are_counted_in_a_row():
    policy = following()
    for _ in range(3):
        policy.wake("change", urgent=False)
        policy.caught_up()
        ticks_until_followed(policy)
    policy.wake("change", urgent=False)
    policy.caught_up()
    for change in (STILL, STILL, LIT, STILL, MOVING, STILL):
        policy.look(change, LIMIT)
        assert not policy.may_follow()
    assert ticks_until_followed(policy) == 8 - 1


def test_where_all_that_is_held_is_decoded_in_the_end_following_waits_for_longer():
    policy, pauses = following(), []
    policy.reach_restart()
    for _ in range(9):
        for _ in range(SETTLED):
            policy.still()
        policy.reach_restart()
        policy.wake("change", urgent=False)
        policy.caught_up()
        pauses.append(ticks_until_followed(policy))
    assert pauses == [1, 2, 4, 8, 16, 32, 64, MAX_WASTE, MAX_WASTE]


def test_the_farther_the_next_random_access_point_the_longer_a_stream_has_to_be_still():
    far, near = following(), following()
    for policy in (far, near):
        for _ in range(40 - FIRST):
            policy.still()
        policy.reach_restart()
    for _ in range(30):
        near.still()
    for policy, ticks in ((far, 8), (near, 2)):
        policy.wake("change", urgent=False)
        policy.caught_up()
        assert ticks_until_followed(policy) == ticks


def test_where_all_has_to_be_decoded_it_is_not_followed_in_the_midst():
    policy = following()
    for _ in range(SETTLED):
        policy.still()
    policy.save()
    policy.wake("unknown", urgent=True)
    policy.look(LIT, LIMIT)
    assert not policy.may_follow()
    policy.caught_up()
    assert policy.may_follow()


def test_without_random_access_points_following_waits_for_one_then_for_more():
    policy, waited = following(), []
    for _ in range(3):
        policy.wake("bound", urgent=False)
        policy.caught_up()
        restarts = 0
        for _ in range(MAX_PAUSE):
            policy.look(STILL, LIMIT)
        while not policy.may_follow():
            policy.reach_restart()
            restarts += 1
        policy.follow()
        waited.append(restarts)
    assert waited == [1, 2, 4]


def test_a_stream_is_given_up_for_good():
    policy = following()
    policy.give_up("it uses MBAFF")
    policy.caught_up()
    assert (policy.state, policy.reason, policy.why_whole) == (
        State.WHOLE,
        "whole",
        "it uses MBAFF",
    )
    assert not policy.may_follow()
