"""A data set of synthetic videos in the layout and annotation format of UCF-Crime."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from costream.errors import SettingsError
from costream.lab.synth.encoder import EncoderSettings, encode
from costream.lab.synth.events import EVENT_KINDS, EVENTS, NORMAL, EventKind
from costream.lab.synth.light import LightChange
from costream.lab.synth.pool import process_pool
from costream.lab.synth.site import SceneKind, scenes_for
from costream.lab.synth.world import WorldCamera

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

LISTS = {
    "train": "Anomaly_Train.txt",
    "validation": "Anomaly_Validation.txt",
    "test": "Anomaly_Test.txt",
}
"""The file that lists a split's videos."""

ANNOTATIONS = "Temporal_Anomaly_Annotation_for_Testing_Videos.txt"

CYCLE: tuple[EventKind | None, ...] = (
    *EVENT_KINDS[:3], None, *EVENT_KINDS[3:6], None, *EVENT_KINDS[6:], None,
)  # fmt: skip
"""What happens in one video after the other; None is a normal one."""

BOXES_EVERY = 0.5
"""Seconds from one frame whose boxes are noted to the next."""


SIZE = (448, 256)
"""Width and height of a video, in pixels, unless another is asked for."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that makes a video of a data set.

    Attributes:
        name: path within the data set's folder, such as ``Fall/Fall001_x264.mp4``.
        category: name of the class.
        seed: the camera's; those of two splits never meet.
        event: what happens, or None; several happen one after the other, in chapters of one length
            each, among which None is one without.
        scene: kind of place.
        pretend: kinds of event that something harmless resembles; None leaves it to the seed.
        seconds: length.
        settings: how it is encoded.
        size: width and height in pixels.
        fps: frames a second.
        shake: of the camera's mount, in pixels; None leaves it to the seed.
        lights: changes of the light; None leaves them to the seed.
    """

    name: str
    category: str
    seed: int
    event: EventKind | tuple[EventKind | None, ...] | None
    scene: SceneKind
    pretend: tuple[EventKind, ...] | None
    seconds: float
    settings: EncoderSettings
    size: tuple[int, int] = SIZE
    fps: float = 25.0
    shake: float | None = None
    lights: tuple[LightChange, ...] | None = None

    def camera(self) -> WorldCamera:
        """Returns the camera that shows it."""
        return WorldCamera(
            self.seed,
            scene=self.scene,
            event=self.event,
            pretend=self.pretend,
            seconds=self.seconds,
            width=self.size[0],
            height=self.size[1],
            fps=self.fps,
            shake=self.shake,
            lights=self.lights,
        )


def split_seed(split: Split, draw: np.random.Generator) -> int:
    """Draws a camera's seed that belongs to one split alone: its remainder by three tells which."""
    return 3 * int(draw.integers(1 << 40)) + SPLITS.index(split)


def draw_recipes(
    split: Split, videos: int, seed: int, *, size: tuple[int, int] = SIZE
) -> list[Recipe]:
    """Draws the videos of a split.

    Kinds of event take turns, with a normal video after every third, so that any number of videos
    is balanced, and a smaller data set is the beginning of a larger one.

    Args:
        split: which split.
        videos: how many.
        seed: picks everything. Not negative.
        size: width and height of the videos, in pixels.

    Raises:
        SettingsError: a value is out of range.
    """
    if split not in SPLITS:
        raise SettingsError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}")
    if videos < 1 or seed < 0:
        raise SettingsError("a data set takes at least one video, and a seed that isn't negative")
    counts: dict[str, int] = {}
    recipes = []
    for index in range(videos):
        event = CYCLE[index % len(CYCLE)]
        category = EVENTS[event].category if event else NORMAL
        counts[category] = counts.get(category, 0) + 1
        recipe = _draw_recipe(split, seed, index, event, category, counts[category])
        recipes.append(replace(recipe, size=size))
    return recipes


def write_dataset(
    folder: str | Path,
    *,
    split: Split,
    videos: int,
    seed: int = 0,
    size: tuple[int, int] = SIZE,
    processes: int = 1,
) -> list[Recipe]:
    """Renders and encodes a split with its annotations. Splits of one data set share a folder.

    Args:
        folder: where to; made if it isn't there. Files of the same name are replaced.
        split: which split.
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
    recipes = draw_recipes(split, videos, seed, size=size)
    root = Path(folder)
    rows = write_videos(recipes, root, LISTS[split], processes)
    if split == "test":
        (root / ANNOTATIONS).write_text("".join(rows), encoding="utf-8")
    return recipes


def write_videos(
    recipes: Sequence[Recipe], root: Path, listing: str, processes: int = 1
) -> list[str]:
    """Renders and encodes videos, and lists them in a file.

    Args:
        recipes: what is made.
        root: the data set's folder, made if it isn't there.
        listing: name of the file.
        processes: how many videos are made at a time.

    Returns:
        Each video's rows of the annotations.

    Raises:
        OSError: a file can't be written.
    """
    for category in {recipe.category for recipe in recipes}:
        (root / category).mkdir(parents=True, exist_ok=True)
    names = [f"{recipe.name}\n" for recipe in recipes]
    (root / listing).write_text("".join(names), encoding="utf-8")
    if processes == 1:
        return [write_video(recipe, root) for recipe in recipes]
    with process_pool(processes) as pool:
        return list(pool.map(write_video, recipes, [root] * len(recipes)))


def write_video(recipe: Recipe, root: Path) -> str:
    """Renders and encodes one video and notes its truth in a JSON file beside it.

    Returns:
        The video's rows of the annotations.
    """
    camera = recipe.camera()
    path = root / recipe.name
    encode(
        (camera.frame(index) for index in range(camera.frames)),
        path,
        fps=camera.fps,
        settings=recipe.settings,
    )
    notes = _notes(recipe, camera)
    path.with_suffix(".json").write_text(json.dumps(notes), encoding="utf-8")
    return annotation(recipe, camera)


def annotation(recipe: Recipe, camera: WorldCamera) -> str:
    """A video's rows: name, class, and first and last frame of at most two events, else -1.

    A video with one event or none has one row; one that shows several has as many as its events
    take, by class.
    """
    frames: dict[str, list[str]] = {}
    for event in camera.events:
        bounds = (round(event.start * camera.fps), round(event.end * camera.fps))
        frames.setdefault(EVENTS[event.kind].category, []).extend(map(str, bounds))
    name = Path(recipe.name).name
    rows = [
        (category, numbers[first : first + 4])
        for category, numbers in frames.items()
        for first in range(0, len(numbers), 4)
    ]
    return "".join(
        "  ".join((name, category, *numbers, *["-1"] * (4 - len(numbers)))) + "  \n"
        for category, numbers in rows or [(NORMAL, [])]
    )


def _draw_recipe(
    split: Split, seed: int, index: int, event: EventKind | None, category: str, number: int
) -> Recipe:
    draw = np.random.default_rng((seed, SPLITS.index(split), index))
    scenes = scenes_for((event,))
    round_, turn = divmod(index, len(CYCLE))
    settings = draw_settings(draw)
    codec = settings.codec.removeprefix("lib")
    return Recipe(
        # Splits number their videos apart, so that one folder holds them all.
        name=f"{category}/{category}{1000 * SPLITS.index(split) + number:03d}_{codec}.mp4",
        category=category,
        seed=split_seed(split, draw),
        event=event,
        scene=scenes[(round_ + turn) % len(scenes)],
        pretend=None if event else tuple(_negatives(round_ * 3 + turn // 4)),
        seconds=float(draw.integers(32, 45)),
        settings=settings,
    )


def _negatives(normal: int) -> Iterator[EventKind]:
    """The kinds that the ``normal``-th normal video resembles: three, all in turn."""
    for place in range(3):
        yield EVENT_KINDS[(3 * normal + place + normal // 3) % len(EVENT_KINDS)]


def draw_settings(draw: np.random.Generator) -> EncoderSettings:
    """Draws how a video is encoded."""
    return EncoderSettings(
        codec="libx264" if draw.random() < 0.7 else "libx265",
        gop=int(draw.choice((25, 50, 100, 250))),
        bframes=int(draw.choice((0, 0, 2))),
        crf=float(draw.integers(20, 34)),
        preset="veryfast",
    )


def _notes(recipe: Recipe, camera: WorldCamera) -> dict[str, object]:
    """What is known of a video: how it was made, its events, and its boxes twice a second."""
    step = round(BOXES_EVERY * camera.fps)
    frames: Sequence[int] = range(0, camera.frames, step)
    return {
        **asdict(recipe),
        "fps": camera.fps,
        "frames": camera.frames,
        "shake": camera.shake,
        "noise": camera.noise,
        "events": [asdict(event) for event in camera.events],
        "boxes": {
            str(index): [asdict(box) for box in camera.truth(index).boxes] for index in frames
        },
    }
