"""Long streams beside the test split: sparse events, light that changes, cameras that shake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from costream.errors import SettingsError
from costream.lab.synth.dataset import SIZE, Recipe, draw_settings, split_seed, write_videos
from costream.lab.synth.events import EventKind
from costream.lab.synth.light import LightChange
from costream.lab.synth.site import scenes_for

SECONDS, FPS = 600.0, 12.5
CHAPTERS, EVENTFUL = 10, 4
"""Chapters of a video, and in how many of them something happens."""

ORDER: tuple[EventKind, ...] = (
    "fall", "stealing", "fighting", "fire", "abandoned", "wrong_way", "panic", "intrusion",
    "loitering",
)  # fmt: skip
"""Kinds of event take turns in this order, in which no four have both exhibits and cars."""

CATEGORY = "Long"
LIST = "Anomaly_Long.txt"
ANNOTATIONS = "Temporal_Anomaly_Annotation_for_Long_Videos.txt"

CHANGES = (0.0, 3.0, 90.0)
"""Seconds that the light takes to change: a lamp, a cloud, dusk."""


def draw_long_recipes(videos: int, seed: int, *, size: tuple[int, int] = SIZE) -> list[Recipe]:
    """Draws long videos: ten minutes with four events each, of scenes that nothing learns from.

    Every other camera shakes. In each stretch between events look-alikes happen, as in the clips,
    but half as often. A smaller set is the beginning of a larger one.

    Args:
        videos: how many.
        seed: picks everything. Not negative.
        size: width and height of the videos, in pixels.

    Raises:
        SettingsError: a value is out of range.
    """
    if videos < 1 or seed < 0:
        raise SettingsError("a data set takes at least one video, and a seed that isn't negative")
    return [_draw_recipe(seed, index, size) for index in range(videos)]


def write_long_set(
    folder: str | Path,
    *,
    videos: int,
    seed: int = 0,
    size: tuple[int, int] = SIZE,
    processes: int = 1,
) -> list[Recipe]:
    """Renders and encodes long videos with their annotations; other splits may share the folder.

    Args:
        folder: where to; made if it isn't there. Files of the same name are replaced.
        videos: how many.
        seed: picks everything.
        size: width and height of the videos, in pixels.
        processes: how many videos are made at a time.

    Returns:
        What was made, in order.

    Raises:
        SettingsError: a value is out of range.
        OSError: a file can't be written.
    """
    recipes = draw_long_recipes(videos, seed, size=size)
    root = Path(folder)
    rows = write_videos(recipes, root, LIST, processes)
    (root / ANNOTATIONS).write_text("".join(rows), encoding="utf-8")
    return recipes


def _draw_recipe(seed: int, index: int, size: tuple[int, int]) -> Recipe:
    # Other numbers than those of the splits of clips, of which there are three.
    draw = np.random.default_rng((seed, 3, index))
    kinds = tuple(ORDER[(EVENTFUL * index + n) % len(ORDER)] for n in range(EVENTFUL))
    scenes = scenes_for(kinds)
    chapters: list[EventKind | None] = [None] * CHAPTERS
    for place, kind in zip(draw.choice(CHAPTERS, EVENTFUL, replace=False), kinds, strict=True):
        chapters[place] = kind
    settings = draw_settings(draw)
    codec = settings.codec.removeprefix("lib")
    return Recipe(
        name=f"{CATEGORY}/{CATEGORY}{index + 1:03d}_{codec}.mp4",
        category=CATEGORY,
        seed=split_seed("test", draw),
        event=tuple(chapters),
        scene=scenes[index % len(scenes)],
        pretend=None,
        seconds=SECONDS,
        settings=settings,
        size=size,
        fps=FPS,
        shake=float(draw.uniform(1.5, 3.5)) if index % 2 else 0.0,
        lights=tuple(_draw_lights(draw)),
    )


def _draw_lights(draw: np.random.Generator) -> Iterator[LightChange]:
    """Yields changes one after the other, each with its way back."""
    time = float(draw.uniform(15, 60))
    while time < SECONDS:
        seconds, gain = float(draw.choice(CHANGES)), float(draw.uniform(0.75, 0.92))
        yield LightChange(time, seconds, gain)
        time += seconds + float(draw.uniform(15, 60))
        yield LightChange(time, seconds, 1 / gain)
        time += seconds + float(draw.uniform(20, 60))
