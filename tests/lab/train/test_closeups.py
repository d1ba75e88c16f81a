import numpy as np

from costream.lab.synth import Box, Event, Truth
from costream.lab.train.clips import Clip
from costream.lab.train.closeups import Catalogue, cut_out, find_places

SIDE = 128
PERSON = Box("person", 3, 300, 100, 340, 180, foot=(320, 180), action="lie", velocity=(8.0, 0.0))
ZONE = Box("zone", 0, 0, 200, 200, 256, foot=(100, 230))


def clip():
    truth = Truth(1.0, (ZONE, PERSON), (Event("fall", 3, 0.0, 9.0),))
    frames = np.zeros((4, 224, 384, 3), np.uint8)
    scale = 384 / 448
    frames[2:, int(100 * scale) : int(180 * scale), int(300 * scale) : int(340 * scale)] = 255
    return Clip(
        frames, (Truth(0.0, (), ()), Truth(0.5, (), ()), truth, truth), (448, 256), (), "hall"
    )


def test_what_may_be_shown_is_found_by_what_it_does_and_what_happens():
    places = find_places(clip(), 2)
    middle = (320 / 448, 140 / 256)
    assert places["lie"] == places["fall"] == [(1, middle)]
    assert places["zone"] == [(1, (100 / 448, 228 / 256))]


def test_a_closeup_shows_what_was_asked_for_and_tells_where():
    whole, draw = clip(), np.random.default_rng(1)
    for _ in range(20):
        close = cut_out(whole, 1, (320 / 448, 140 / 256), draw, 2, SIDE)
        assert close.frames.shape == (2, SIDE, SIDE, 3)
        shown = np.argwhere(close.frames[0, :, :, 0])
        scale = close.size[0] / SIDE
        (box,) = (b for b in close.truths[0].boxes if b.label == "person")
        (top, left), (bottom, right) = shown.min(0) * scale, (shown.max(0) + 1) * scale
        assert np.abs(np.array([box.left, box.top, box.right, box.bottom])
                      - (left, top, right, bottom)).max() < 4  # fmt: skip


def test_what_lies_outside_a_closeup_is_not_told():
    close = cut_out(clip(), 1, (1.0, 0.0), np.random.default_rng(1), 2, SIDE)
    assert [box.label for box in close.truths[0].boxes] == ["person"]


def test_places_are_those_of_the_clip_at_hand_however_many_came_before():
    """A clip that has gone may leave its place in memory to the next one."""
    catalogue, draw = Catalogue(2, SIDE), np.random.default_rng(1)
    for left in range(0, 320, 4):
        # A small bright thing that is elsewhere in every clip.
        frames = np.zeros((2, 224, 384, 3), np.uint8)
        frames[:, 100:110, left : left + 10] = 255
        box = Box("bag", 1, round(left * 7 / 6), 117, round((left + 10) * 7 / 6), 128, foot=(0, 0))
        truths = (Truth(0.0, (box,), ()),) * 2
        catalogue.follow([Clip(frames, truths, (448, 256), (), "hall")])
        close, _, _ = catalogue.draw_closeup(draw)
        assert close.frames.any()
