from collections import Counter

import numpy as np

from costream.lab.synth import EVENT_KINDS, Event, Truth
from costream.lab.train import Recipe, StageRecipe
from costream.lab.train.clips import Clip
from costream.lab.train.windows import ExampleDraw, draw_timestamps, list_examples

STAGE = StageRecipe(1, 1, 1e-3)
RECIPE = Recipe("test", STAGE, STAGE, STAGE, STAGE)
NOTHING = np.zeros((0, 0, 0, 3), np.uint8)


def clip(seconds, *events):
    truths = tuple(Truth(n / 2, (), ()) for n in range(2 * seconds))
    return Clip(NOTHING, truths, (448, 256), events, "hall")


def test_every_window_of_every_clip_is_an_example():
    examples = list_examples([clip(12), clip(10)], RECIPE, 2)
    assert [(e.clip, e.first, e.length) for e in examples] == [
        (0, 0, 10), (0, 1, 10), (0, 2, 10), (1, 0, 10),
    ]  # fmt: skip


def test_shorter_windows_show_less():
    fire = Event("fire", 1, 6.0, 12.0)
    long, *_ = list_examples([clip(12, fire)], RECIPE, 2)
    short, *_ = list_examples([clip(12, fire)], RECIPE, 2, length=3)
    assert long.shown["fire"] is True
    assert short.shown["fire"] is False


def test_moments_follow_each_other():
    example = list_examples([clip(12)], RECIPE, 2)[1]
    timestamps = draw_timestamps(example, np.random.default_rng(1), RECIPE, 2)
    assert len(timestamps) == 10
    assert np.diff([m.time for m in timestamps]).tolist() == [1.0] * 9


def test_each_kind_is_met_as_often_as_the_others_but_for_those_that_are_met_twice():
    clips = [clip(12, Event(kind, 1, 2.0, 10.0)) for kind in EVENT_KINDS]
    examples = list_examples(clips, RECIPE, 2)
    for often, share in (((), 1), (("fire",), 2)):
        taken = ExampleDraw(examples, np.random.default_rng(1), often, eventful=1.0)
        met = Counter(
            kind for _ in range(6000) for kind, shown in taken.take().shown.items() if shown
        )
        assert abs(met["fire"] / met["fall"] - share) < 0.25 * share
        assert abs(met["panic"] / met["fall"] - 1) < 0.25
