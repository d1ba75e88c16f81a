from dataclasses import replace

import numpy as np
import pytest

from costream.lab.synth import Box, Event, Truth
from costream.lab.train.catalogue import Catalogue, find_places
from costream.lab.train.clips import Clip
from costream.lab.train.closeups import GROUPS, block_around, draw_closeup
from costream.lab.train.code import SEEN, Code, label_patch
from costream.lab.train.perception import TIGHTEST, code_loss
from costream.lab.train.pictures import encode_patches

SHAPE = (7, 12)
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


def test_what_is_to_be_drawn_more_is_drawn_twice_as_often():
    shown = clip().truths[2]
    # A zone in one frame; in another somebody who lies, and has fallen.
    truths = (replace(shown, boxes=(ZONE,)), replace(shown, boxes=(PERSON,)))
    shares = []
    for often in ((), ("fall", "fire")):
        catalogue, draw = Catalogue(1, TIGHTEST, often), np.random.default_rng(1)
        catalogue.follow([replace(clip(), truths=truths)])
        drawn = [catalogue.draw_shown(draw)[0][1] for _ in range(1200)]
        shares.append(drawn.count([0]) / 1200)
    assert shares == [pytest.approx(1 / 3, abs=0.03), pytest.approx(1 / 4, abs=0.03)]


def test_a_closeup_is_around_what_was_asked_for():
    draw = np.random.default_rng(1)
    blocks = {tuple(block_around((0.8, 0.5), SHAPE, draw).nonzero()[0]) for _ in range(50)}
    assert len(blocks) > 4
    for block in blocks:
        rows, cols = np.divmod(np.array(block), SHAPE[1])
        assert len(block) == GROUPS * GROUPS
        assert np.ptp(rows) == np.ptp(cols) == GROUPS - 1
        assert rows.min() <= 0.5 * SHAPE[0] <= rows.max() + 1
        assert cols.min() <= 0.8 * SHAPE[1] <= cols.max() + 1


@pytest.mark.parametrize("place", [(0.0, 0.0), (1.0, 1.0), (-0.2, 1.3)])
def test_a_closeup_stays_in_the_frame(place):
    kept = block_around(place, SHAPE, np.random.default_rng(1))
    assert kept.shape == (SHAPE[0] * SHAPE[1],)
    assert kept.sum() == GROUPS * GROUPS


def test_a_closeup_holds_what_its_view_shows_of_the_place():
    """Whatever a view crops and mirrors, the groups that are kept have the person in them."""
    catalogue, draw = Catalogue(2, TIGHTEST), np.random.default_rng(1)
    truth = replace(clip().truths[2], boxes=(PERSON,))
    whole = replace(clip(), truths=(truth,) * 4)
    catalogue.follow([whole])
    lying = SEEN.index("lie")
    for _ in range(30):
        closeup = draw_closeup(catalogue, SHAPE, draw)
        shown, (number,), view = closeup.viewed
        truths = [view.truth(truth, shown.size) for truth in shown.truths[2 * number :][:2]]
        values = label_patch(truths, shown.size, SHAPE)
        if values[:, lying].any():
            assert values[closeup.kept, lying].any()


def test_what_is_kept_is_judged_alone(model):
    geometry = model.geometry(448, 256, 4, (448, 256))
    code = Code(model.embed(model.prompt(), None).shape[-1], 1)
    draw = np.random.default_rng(1)
    kept = block_around((0.5, 0.5), geometry.grid.group_shape, draw)
    near = encode_patches(model, geometry, [(clip(), [1], None)], [kept])
    assert len(near[0].embeds) == GROUPS * GROUPS
    loss = code_loss(model, geometry, code, [(clip(), [1], None)], [kept])
    assert loss.isfinite()


def test_places_are_those_of_the_clip_at_hand_however_many_came_before():
    """A clip that has gone may leave its place in memory to the next one."""
    catalogue, draw = Catalogue(2, TIGHTEST), np.random.default_rng(1)
    for left in range(0, 320, 4):
        # A small bright thing that is elsewhere in every clip.
        frames = np.zeros((2, 224, 384, 3), np.uint8)
        frames[:, 100:110, left : left + 10] = 255
        box = Box("bag", 1, round(left * 7 / 6), 117, round((left + 10) * 7 / 6), 128, foot=(0, 0))
        truths = (Truth(0.0, (box,), ()),) * 2
        catalogue.follow([Clip(frames, truths, (448, 256), (), "hall")])
        shown, _, _ = draw_closeup(catalogue, SHAPE, draw).viewed
        assert shown.truths == truths
