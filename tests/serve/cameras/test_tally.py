"""What is known of a camera, by a wall clock that is set."""

from __future__ import annotations

import time

import pytest

from costream.serve.cameras.tally import Tally


@pytest.mark.parametrize("hours", [1, -1])
def test_moments_are_as_long_ago_as_they_say_though_the_clock_is_set(hours: int) -> None:
    ahead = 0.0
    tally = Tally("door", "rtsp://camera/1", lambda: time.time() + ahead)
    tally.frame(time.time(), (320, 240))
    before = tally.status()
    assert before == tally.status()
    ahead = hours * 3600.0
    after = tally.status()
    assert after.since - before.since == pytest.approx(ahead, abs=0.1)
    assert before.last_frame and after.last_frame
    assert after.last_frame - before.last_frame == pytest.approx(ahead, abs=0.1)
    assert after.last_window is None
    tally.enter("watching")
    assert tally.status().since == pytest.approx(time.time() + ahead, abs=1.0)
