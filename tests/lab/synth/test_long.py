"""Long videos: what they are made of, and that what is written is what is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from costream.errors import SettingsError
from costream.lab.evaluate.datasets import load_dataset
from costream.lab.synth import EVENT_KINDS, EVENTS, draw_long_recipes, long
from costream.lab.synth.dataset import Recipe
from costream.lab.synth.long import EVENTFUL, ORDER, write_long_set

RECIPES = draw_long_recipes(9, seed=3, size=(112, 64))


def test_every_kind_comes_as_often_and_most_of_a_video_is_without() -> None:
    assert set(ORDER) == set(EVENT_KINDS)
    kinds = Counter(kind for recipe in RECIPES for kind in recipe.event or ())
    assert {kind: kinds[kind] for kind in EVENT_KINDS} == dict.fromkeys(EVENT_KINDS, EVENTFUL)
    camera = RECIPES[0].camera()
    assert camera.seconds == 600 and len(camera.events) == EVENTFUL
    assert sum(event.end - event.start for event in camera.events) < 150


def test_light_changes_and_half_of_the_cameras_shake() -> None:
    assert [bool(recipe.shake) for recipe in RECIPES] == [False, True] * 4 + [False]
    camera = RECIPES[1].camera()
    assert camera.shake == RECIPES[1].shake
    light = [camera.light(index) for index in range(0, camera.frames, 25)]
    assert min(light) < 0.9 * max(light)
    assert all(0.6 < one < 1.1 for one in light), "every change has its way back"


def test_a_smaller_set_is_the_beginning_of_a_larger_one_and_none_is_learnt_from() -> None:
    assert RECIPES[:2] == draw_long_recipes(2, seed=3, size=(112, 64))
    assert {recipe.seed % 3 for recipe in RECIPES} == {2}
    with pytest.raises(SettingsError, match="at least one video"):
        draw_long_recipes(0, seed=3)


def test_what_is_written_is_read_with_all_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(seed: int, index: int, size: tuple[int, int]) -> Recipe:
        kinds = ("fall", None, "fall", "fire", "fall")
        return replace(
            RECIPES[0], event=kinds, seconds=150.0, fps=2.0, size=size, lights=(), scene="hall"
        )

    monkeypatch.setattr(long, "_draw_recipe", short)
    (recipe,) = write_long_set(tmp_path, videos=1, size=(112, 64))
    (video,) = load_dataset(tmp_path, "long").videos
    assert video.name == Path(recipe.name).name
    assert video.categories == {"Fall", "Fire"}
    expected = [
        (EVENTS[event.kind].category, round(2 * event.start)) for event in recipe.camera().events
    ]
    assert sorted((e.category, e.first) for e in video.events or ()) == sorted(expected)
    assert len(expected) == 4
