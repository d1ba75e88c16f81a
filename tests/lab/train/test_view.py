import numpy as np
import pytest

from costream.lab.synth import Box, Event, Truth
from costream.lab.train.clips import Clip
from costream.lab.train.view import View, draw_view

SIZE = (448, 256)


def view(**changes):
    plain = {
        "left": 0.0, "top": 0.0, "share": 1.0, "mirrored": False, "order": (0, 1, 2),
        "gain": (1.0, 1.0, 1.0), "offset": 0.0, "noise": 0.0, "seed": 1,
    }  # fmt: skip
    return View(**{**plain, **changes})


def box(left, top, right, bottom, velocity=(0.0, 0.0)):
    return Box("person", 1, left, top, right, bottom, foot=(0, 0), action="walk", velocity=velocity)


def clip(scene, *events):
    return Clip(np.zeros((2, 128, 224, 3), np.uint8), (), SIZE, events, scene)


def test_a_plain_view_changes_nothing():
    frames = np.random.default_rng(1).integers(0, 255, (2, 16, 28, 3), np.uint8)
    assert (view().frames(frames) == frames).all()


def test_boxes_follow_the_picture():
    frames = np.zeros((1, 128, 224, 3), np.uint8)
    frames[0, 64:96, 112:140] = 255
    seen = view(left=0.25, top=0.2, share=0.75, mirrored=True)
    shown = np.argwhere(seen.frames(frames)[0, :, :, 0] > 127)
    truth = Truth(0.0, (box(224, 128, 280, 192, (30.0, 0.0)),), ())
    found = seen.truth(truth, SIZE).boxes[0]
    (top, left), (bottom, right) = shown.min(0) * 2, shown.max(0) * 2 + 2
    expected = (found.left, found.top, found.right, found.bottom)
    assert (left, top, right, bottom) == pytest.approx(expected, abs=3)
    assert found.velocity == (-40.0, 0.0)


def test_what_lies_outside_is_not_told():
    truth = Truth(0.0, (box(0, 0, 40, 40),), ())
    assert view(left=0.25, share=0.7).truth(truth, SIZE).boxes == ()


def test_traffic_is_never_mirrored_and_fire_keeps_its_colour():
    draw = np.random.default_rng(1)
    fire = Event("fire", 1, 0.0, 1.0)
    drawn = [draw_view(clip("street", fire), draw, 0.8) for _ in range(60)]
    assert not any(v.mirrored or v.order != (0, 1, 2) for v in drawn)
    drawn = [draw_view(clip("hall"), draw, 0.8) for _ in range(60)]
    assert any(v.mirrored for v in drawn)
    assert any(v.order != (0, 1, 2) for v in drawn)
