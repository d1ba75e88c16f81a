import numpy as np
import pytest
import torch

from costream.lab.synth import Box, Event, Truth
from costream.lab.train.code import EVENTS, MARKS, SEEN, VALUES, Code, label_patch

SIZE, SHAPE = (448, 256), (4, 7)


def truth(*boxes, events=()):
    return Truth(0.0, boxes, events)


def label(*truths):
    return label_patch(truths, SIZE, SHAPE).T.reshape(VALUES, *SHAPE)


def test_a_group_shows_what_covers_it_and_what_lies_in_it():
    wide = Box("zone", 1, 0, 128, 448, 256, foot=(0, 0))
    small = Box("bag", 2, 70, 10, 80, 20, foot=(0, 0))
    values = label(truth(wide, small))
    zone, bag = values[SEEN.index("zone")], values[SEEN.index("bag")]
    assert zone[2:].all()
    assert not zone[:2].any()
    assert np.argwhere(bag).tolist() == [[0, 1]]
    assert np.isnan(values[MARKS:]).all()


def test_persons_tell_what_they_do_and_how_fast():
    box = Box("person", 3, 0, 0, 60, 120, foot=(0, 0), action="run", velocity=(120.0, 0.0))
    values = label(truth(box), truth(box))
    assert values[SEEN.index("run"), 0, 0] == values[SEEN.index("person"), 0, 0] == 1
    assert values[MARKS:, 0, 0].tolist() == [2.0, 0.0]
    assert np.isnan(values[MARKS:, 3, 6]).all()


def test_a_frame_alone_shows_which_way_somebody_goes():
    box = Box("person", 3, 0, 0, 60, 120, foot=(0, 0), action="run", velocity=(-120.0, 0.0))
    values = label(truth(box))
    assert values[SEEN.index("run"), 0, 0] == 1
    assert values[MARKS:, 0, 0].tolist() == [-2.0, 0.0]


def test_a_patch_shows_what_any_of_its_frames_shows_and_the_speeds_of_the_last():
    first = Box("person", 3, 0, 0, 60, 60, foot=(0, 0), action="walk", velocity=(60.0, 0.0))
    last = Box("person", 3, 64, 0, 124, 60, foot=(0, 0), action="walk", velocity=(30.0, 0.0))
    values = label(truth(first), truth(last))
    assert values[SEEN.index("walk"), 0, :2].tolist() == [1, 1]
    assert np.isnan(values[MARKS, 0, 0])
    assert values[MARKS, 0, 1] == 0.5


def test_who_takes_part_in_an_event_is_marked():
    box = Box("person", 3, 0, 0, 60, 120, foot=(0, 0), action="lie")
    fall = Event("fall", 3, 0.0, 9.0)
    values = label(truth(box, events=(fall,)))
    assert values[len(SEEN) + EVENTS.index("fall"), 0, 0] == 1
    assert values[len(SEEN) : MARKS].sum() == values[SEEN.index("lie")].sum()


@pytest.fixture
def code():
    return Code(64, seed=1)


def test_what_is_written_can_be_read(code):
    values = torch.rand(5, VALUES)
    tokens = code.write(values)
    assert tokens.shape == (5, 64)
    torch.testing.assert_close(code.read(tokens), values, atol=1e-5, rtol=0)


def test_tokens_that_say_what_is_shown_lose_less_than_any_others(code):
    values = torch.zeros(6, VALUES)
    values[:2, 3] = 1
    values[:, MARKS:] = float("nan")
    values[0, MARKS] = 0.7
    right = code.write(values.nan_to_num(0.0))
    least = code.loss(right, values)
    wrong = values.nan_to_num(0.0)
    wrong[4, 3] = 1
    slow = values.nan_to_num(0.0)
    slow[0, MARKS] = 0.0
    for other in (code.write(wrong), code.write(slow), right + torch.randn(6, 64)):
        assert code.loss(other, values) > least
