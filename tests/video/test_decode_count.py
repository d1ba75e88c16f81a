"""How many frames were decoded, and why."""

from costream.video import DecodeCount


def test_counts_add_up_and_are_told_by_reason():
    one = DecodeCount(start=3, change=2, still=5)
    both = one + DecodeCount(change=1, unreferenced=9)
    assert (both.total, both.decoded, both.undecoded) == (20, 6, 14)
    assert both.share == 0.3
    assert both - one == DecodeCount(change=1, unreferenced=9)
    assert both.to_dict() == {"start": 3, "change": 3, "still": 5, "unreferenced": 9}


def test_nothing_was_decoded_of_nothing():
    assert DecodeCount().share == 1.0
