import numpy as np

from costream.synth import Event, Truth
from costream.train import Recipe, StageRecipe
from costream.train.clips import Clip
from costream.train.windows import draw_moments, list_examples

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
    moments = draw_moments(example, np.random.default_rng(1), RECIPE, 2)
    assert len(moments) == 10
    assert np.diff([m.time for m in moments]).tolist() == [1.0] * 9
