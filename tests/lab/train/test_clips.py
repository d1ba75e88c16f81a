"""Clips of fresh worlds, and the supply of them."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from costream.lab.synth import draw_recipes
from costream.lab.train import Recipe, StageRecipe, clips
from costream.lab.train.clips import (
    FRAMES,
    Reel,
    draw_videos,
    make_pairs,
    make_truth,
    make_window,
)

STAGE = StageRecipe(1, 1, 1e-3)
RECIPE = Recipe("test", STAGE, STAGE, STAGE, STAGE, frame_size=(96, 64))
VIDEOS = draw_recipes("train", 6, 1)


def test_half_of_the_pairs_lie_within_the_event():
    clip = make_pairs(RECIPE, 2, 0, VIDEOS[0])
    assert clip.frames.shape == (FRAMES, 64, 96, 3)
    event = VIDEOS[0].camera().events[0]
    starts = [truth.time for truth in clip.truths[::2]]
    assert starts == sorted(starts)
    assert sum(event.start - 0.02 <= start < event.end for start in starts) >= FRAMES // 4
    assert clip.truths[1].time - clip.truths[0].time == pytest.approx(1 / RECIPE.fps, abs=0.021)


def test_a_window_counts_its_events_from_its_own_beginning():
    clip = make_window(RECIPE, 2, 1, VIDEOS[1])
    event = VIDEOS[1].camera().events[0]
    assert len(clip.frames) == len(clip.truths) == 26
    assert clip.events[0].start == pytest.approx(event.start - clip.truths[0].time, abs=0.021)


def test_a_truth_has_no_pictures():
    clip = make_truth(RECIPE, 0, VIDEOS[0])
    assert clip.frames.size == 0
    assert len(clip.truths) == int(VIDEOS[0].seconds * RECIPE.fps)


def test_clips_come_and_go_as_steps_pass_and_follow_from_the_step(monkeypatch):
    reel = Reel(partial(make_truth, RECIPE), VIDEOS, 3, 0.5)
    monkeypatch.setattr(clips, "process_pool", lambda workers: ThreadPoolExecutor(workers))
    later = Reel(partial(make_truth, RECIPE), VIDEOS, 3, 0.5)
    try:
        # Held on to, so that no clip takes the place of another in memory.
        held = [reel.at(step) for step in range(5)]
        seen = [[id(clip) for clip in found] for found in held]
        assert seen[0] == seen[1]
        assert seen[2][:2] == seen[0][1:]
        assert set(seen[4]).isdisjoint(seen[0][:2])
        assert [c.truths for c in later.at(4)] == [c.truths for c in held[4]]
    finally:
        reel.close()
        later.close()


def test_some_kinds_come_twice_as_often():
    stage = StageRecipe(100, 8, 1e-3, pool=10, fresh=1.0)
    even = Counter(video.event for video in draw_videos(stage, 3))
    more = Counter(video.event for video in draw_videos(replace(stage, often=("fire", "fall")), 3))
    assert even.total() == more.total() == 111
    assert even["fire"] == pytest.approx(even["panic"], abs=1)
    for kind in ("fire", "fall"):
        assert more[kind] == pytest.approx(2 * more["panic"], abs=2)
    # Without an event, three in twelve of all, none is left out.
    assert even[None] == pytest.approx(3 * even["panic"], abs=3)
    assert more[None] == pytest.approx(6 * more["panic"], abs=6)
