import numpy as np

from costream.synth import Box, Event, Truth
from costream.train.cells import EVENTS, SEEN, label_cells

SIZE, SHAPE = (448, 256), (4, 7)


def truth(*boxes, events=()):
    return Truth(0.0, boxes, events)


def test_a_group_shows_what_covers_it_and_what_lies_in_it():
    wide = Box("zone", 1, 0, 128, 448, 256, foot=(0, 0))
    small = Box("bag", 2, 70, 10, 80, 20, foot=(0, 0))
    marks, speeds = label_cells(truth(wide, small), SIZE, SHAPE)
    zone, bag = marks[SEEN.index("zone")], marks[SEEN.index("bag")]
    assert zone[2:].all()
    assert not zone[:2].any()
    assert np.argwhere(bag).tolist() == [[0, 1]]
    assert np.isnan(speeds).all()


def test_persons_tell_what_they_do_and_how_fast():
    box = Box("person", 3, 0, 0, 60, 120, foot=(0, 0), action="run", velocity=(120.0, 0.0))
    marks, speeds = label_cells(truth(box), SIZE, SHAPE)
    assert marks[SEEN.index("run"), 0, 0] == marks[SEEN.index("person"), 0, 0] == 1
    assert speeds[:, 0, 0].tolist() == [2.0, 0.0]
    assert np.isnan(speeds[:, 3, 6]).all()


def test_who_takes_part_in_an_event_is_marked():
    box = Box("person", 3, 0, 0, 60, 120, foot=(0, 0), action="lie")
    fall = Event("fall", 3, 0.0, 9.0)
    marks, _ = label_cells(truth(box, events=(fall,)), SIZE, SHAPE)
    assert marks[len(SEEN) + EVENTS.index("fall"), 0, 0] == 1
    assert marks[len(SEEN) :].sum() == marks[SEEN.index("lie")].sum()
