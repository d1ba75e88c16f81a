"""Clips to learn from: rendered at the sampled rate, really encoded, kept as small pictures."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from costream.models.pixels import resize
from costream.synth import EncoderSettings, Event, Truth, WorldCamera, draw_recipes, encode
from costream.synth import Recipe as Video
from costream.synth.dataset import Split
from costream.train.recipe import Recipe
from costream.video import Stream


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip at the sampled rate.

    Attributes:
        frames: uint8 [frames, height, width, 3], mapped from disk.
        truths: what each frame shows, in pixels of the camera's picture.
        size: (width, height) of the camera's picture.
        events: what happens in it.
        scene: the kind of scene.
    """

    frames: npt.NDArray[np.uint8]
    truths: tuple[Truth, ...]
    size: tuple[int, int]
    events: tuple[Event, ...]
    scene: str


def load_clips(folder: Path, recipe: Recipe, split: Split, count: int) -> list[Clip]:
    """Loads the first ``count`` clips of a split; renders those that are not there yet.

    Args:
        folder: where clips are kept.
        recipe: what they are like.
        split: ``train`` or ``validation``: they share no scene.
        count: how many.
    """
    return list(_loaded(folder / split, recipe, split, count))


def _loaded(folder: Path, recipe: Recipe, split: Split, count: int) -> Iterator[Clip]:
    folder.mkdir(parents=True, exist_ok=True)
    videos = draw_recipes(split, count, recipe.seed)
    missing = [n for n in range(count) if not _pictures(folder, n).exists()]
    make = partial(_make, folder, recipe)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for done, _ in enumerate(pool.map(make, missing, (videos[n] for n in missing)), start=1):
            print(f"\r{split}: rendered {done} of {len(missing)} clips", end="", flush=True)
    for number in range(count):
        frames = np.load(_pictures(folder, number), mmap_mode="r")
        truths, size, events, scene = pickle.loads(_facts(folder, number).read_bytes())
        yield Clip(frames, truths, size, events, scene)


def _make(folder: Path, recipe: Recipe, number: int, video: Video) -> None:
    torch.set_num_threads(1)
    camera = video.camera()
    count = int(camera.seconds * recipe.fps)
    indices = [round(n * camera.fps / recipe.fps) for n in range(count)]
    truths = tuple(camera.truth(index) for index in indices)
    facts = (truths, (camera.width, camera.height), camera.events, camera.scene)
    _facts(folder, number).write_bytes(pickle.dumps(facts))
    frames = _through_codec(camera, indices, recipe, video.settings)
    # The pictures are written last and renamed: what is there is whole.
    aside = folder / f"{number}.part"
    with aside.open("wb") as file:
        np.save(file, frames)
    aside.rename(_pictures(folder, number))


def _through_codec(
    camera: WorldCamera, indices: list[int], recipe: Recipe, settings: EncoderSettings
) -> npt.NDArray[np.uint8]:
    width, height = recipe.frame_size
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mkv"
        encode(map(camera.frame, indices), path, fps=recipe.fps, settings=settings)
        with Stream(str(path), motion=False) as stream:
            pictures = [sample.picture.rgb() for sample in stream.samples(recipe.fps)]
    small = [resize(torch.from_numpy(p).permute(2, 0, 1), width, height) for p in pictures]
    return torch.stack(small).permute(0, 2, 3, 1).numpy()


def _pictures(folder: Path, number: int) -> Path:
    return folder / f"{number}.npy"


def _facts(folder: Path, number: int) -> Path:
    return folder / f"{number}.pickle"
