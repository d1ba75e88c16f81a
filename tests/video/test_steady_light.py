"""Whether light stands."""

import math

import numpy as np
import pytest

from costream.video.steady_light import SteadyLight

TICK = 0.5


def stands(levels):
    """Returns, of levels half a second apart, at which the light stood."""
    light = SteadyLight()
    found = []
    for index, by in enumerate(np.diff(levels, prepend=levels[0])):
        light.note(index * TICK, by)
        found.append(light.stands)
    return found


def waves(swing, period=60.0, seconds=120.0):
    ticks = round(seconds / TICK)
    return [130 + swing * math.sin(2 * math.pi * tick * TICK / period) for tick in range(ticks)]


def test_light_stands_where_levels_hardly_differ():
    assert all(stands([130.0, 130.2, 129.9, 130.1] * 30))


@pytest.mark.parametrize(
    ("swing", "least", "most"), [(1.0, 1.0, 1.0), (2.0, 0.2, 0.9), (10, 0, 0.1)]
)
def test_the_further_light_waves_the_less_it_stands(swing, least, most):
    found = stands(waves(swing))[32:]
    assert least <= sum(found) / len(found) <= most


def test_after_a_lamp_is_switched_sixteen_seconds_pass_before_light_stands():
    found = stands([130.0] * 40 + [110.0] * 80)
    assert all(found[:40])
    back = found.index(True, 40)
    assert not any(found[40:back])
    assert (back - 40) * TICK == pytest.approx(16.0, abs=1.0)
    assert all(found[back:])


def test_what_was_before_a_pause_is_no_matter():
    light = SteadyLight()
    light.note(0.0, 0.0)
    light.note(20.0, -40.0)
    assert light.stands


def test_where_all_changed_by_more_than_can_be_told_light_does_not_stand():
    light = SteadyLight()
    light.note(0.0, 0.0)
    light.note(0.5, math.inf)
    assert not light.stands
    light.note(17.0, 0.0)
    assert light.stands
