"""Clips to learn from: fresh worlds at the sampled rate, really encoded, as small pictures."""

from __future__ import annotations

import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from costream.lab.synth import Event, Truth, WorldCamera, draw_recipes, encode
from costream.lab.synth import Recipe as Video
from costream.lab.synth.pool import process_pool
from costream.lab.train import ranks
from costream.lab.train.recipe import Recipe, StageRecipe
from costream.preprocessing.reference import resize
from costream.video import Stream

FRAMES = 32
"""Frames of a clip for the vision encoder."""

MARGIN = 3
"""Temporal patches by which a clip for both is longer than a window, to be cut in several ways."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Temporal patches of a video, at the sampled rate.

    Attributes:
        frames: uint8 [frames, height, width, 3]; none where only the truth counts.
        truths: what each frame shows, in pixels of the camera's picture.
        size: (width, height) of the camera's picture.
        events: what happens in the video, in seconds from the first frame of the clip.
        scene: the kind of scene.
    """

    frames: npt.NDArray[np.uint8]
    truths: tuple[Truth, ...]
    size: tuple[int, int]
    events: tuple[Event, ...]
    scene: str


Make = Callable[[int, Video], Clip]
"""Makes a clip of a video, from its number among all and what it is."""


class Reel:
    """A supply of fresh clips. What a step draws from follows from its number.

    Args:
        make: makes a clip; runs in another process.
        videos: the videos, in order.
        pool: clips at hand at a time.
        fresh: clips that come with every step; as many of the oldest go.
        workers: processes that make clips.
    """

    def __init__(
        self, make: Make, videos: Sequence[Video], pool: int, fresh: float, workers: int = 1
    ) -> None:
        self._make, self._videos, self._pool, self._fresh = make, videos, pool, fresh
        self._workers = process_pool(workers)
        self._clips: deque[Clip | Future[Clip]] = deque()
        self._first = self._end = 0

    def at(self, step: int) -> list[Clip]:
        """Returns the clips of a step; steps are asked for in order, from any on."""
        first = int(step * self._fresh)
        ahead = first + self._pool + max(8, self._pool // 4)
        if not self._clips:
            self._first = self._end = first
        while self._end < min(ahead, len(self._videos)):
            video = self._videos[self._end]
            self._clips.append(self._workers.submit(self._make, self._end, video))
            self._end += 1
        while self._first < first:
            self._clips.popleft()
            self._first += 1
        for place in range(min(self._pool, len(self._clips))):
            clip = self._clips[place]
            if isinstance(clip, Future):
                self._clips[place] = clip.result()
        return [clip for clip in self._clips if isinstance(clip, Clip)][: self._pool]

    def close(self) -> None:
        """Stops making clips."""
        self._workers.shutdown(cancel_futures=True)


@contextmanager
def open_reel(make: Make, recipe: Recipe, seed: int, stage: StageRecipe) -> Iterator[Reel]:
    """Opens a supply of clips of the training split for a stage.

    Args:
        make: makes a clip.
        recipe: the run.
        seed: of the stage's videos, beside the run's.
        stage: how many clips it takes.
    """
    videos = draw_videos(stage, 100 * recipe.seed + seed)
    of = ranks.world()
    reel = Reel(make, ranks.share(videos), max(1, stage.pool // of), stage.fresh / of)
    try:
        yield reel
    finally:
        reel.close()


def draw_videos(stage: StageRecipe, seed: int) -> list[Video]:
    """Draws the videos of the training split that a stage learns from."""
    count = stage.pool + int(stage.fresh * stage.end) + 1
    if not stage.often:
        return draw_recipes("train", count, seed)
    # Of the other kinds every second one.
    drawn, seen = [], Counter[str]()
    for video in draw_recipes("train", 2 * count, seed):
        seen[video.category] += 1
        if video.event is None or video.event in stage.often or seen[video.category] % 2:
            drawn.append(video)
    return drawn[:count]


def make_pairs(recipe: Recipe, patch: int, number: int, video: Video) -> Clip:
    """Makes a clip of temporal patches from anywhere, half of them from within its event.

    Args:
        recipe: what frames are like.
        patch: frames of a temporal patch.
        number: of the video, from which the choice of patches follows.
        video: the video.
    """
    camera = video.camera()
    draw = np.random.default_rng((recipe.seed, 31, number))
    span = patch / recipe.fps
    count = FRAMES // patch
    starts = draw.uniform(0, camera.seconds - span, count)
    if camera.events:
        event = camera.events[0]
        last = min(event.end, camera.seconds) - span
        starts[: count // 2] = draw.uniform(min(event.start, last), last, count // 2)
    steps = np.arange(patch) / recipe.fps
    times = [float(time) for start in np.sort(starts) for time in start + steps]
    return _render(video, camera, times, recipe)


def make_window(recipe: Recipe, patch: int, number: int, video: Video) -> Clip:
    """Makes a clip a little longer than a window, more often than not from around an event.

    Args:
        recipe: what windows are like.
        patch: frames of a temporal patch.
        number: of the video, from which the choice of the window follows.
        video: the video.
    """
    camera = video.camera()
    draw = np.random.default_rng((recipe.seed, 32, number))
    span = patch / recipe.fps
    length = recipe.window + MARGIN * span
    lowest, highest = 0.0, camera.seconds - length
    if camera.events and draw.random() < 0.7:
        event = camera.events[0]
        lowest = min(max(lowest, event.start - 0.75 * length), highest)
        highest = max(lowest, min(highest, event.end - 0.2 * length))
    begin = float(draw.uniform(lowest, highest))
    times = [begin + n / recipe.fps for n in range(round(length * recipe.fps))]
    return _render(video, camera, times, recipe)


def make_truth(recipe: Recipe, number: int, video: Video) -> Clip:
    """Makes a clip without pictures: what a whole video shows.

    Args:
        recipe: how it is sampled.
        number: of the video.
        video: the video.
    """
    camera = video.camera()
    return _clip(camera, all_times(camera, recipe), np.zeros((0, 0, 0, 3), np.uint8))


@contextmanager
def encoded(video: Video, camera: WorldCamera, times: Sequence[float], fps: float) -> Iterator[str]:
    """Encodes what a camera shows at some times to a file, which is gone afterwards.

    Args:
        video: the camera's video, which says how it is encoded.
        camera: the camera.
        times: in seconds.
        fps: frames a second of the file.
    """
    indices = [round(time * camera.fps) for time in times]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mkv"
        encode(map(camera.frame, indices), path, fps=fps, settings=video.settings)
        yield str(path)


def all_times(camera: WorldCamera, recipe: Recipe) -> list[float]:
    """Returns when a whole video is sampled, in seconds."""
    return [n / recipe.fps for n in range(int(camera.seconds * recipe.fps))]


def _render(video: Video, camera: WorldCamera, times: Sequence[float], recipe: Recipe) -> Clip:
    torch.set_num_threads(1)
    width, height = recipe.frame_size
    with (
        encoded(video, camera, times, recipe.fps) as path,
        Stream(path, motion=False, decode="all") as stream,
    ):
        pictures = [sample.picture.rgb() for sample in stream.samples(recipe.fps)]
    small = [resize(torch.from_numpy(p).permute(2, 0, 1), width, height) for p in pictures]
    return _clip(camera, times, torch.stack(small).permute(0, 2, 3, 1).numpy())


def _clip(camera: WorldCamera, times: Sequence[float], frames: npt.NDArray[np.uint8]) -> Clip:
    truths = tuple(camera.truth(round(time * camera.fps)) for time in times)
    events = tuple(
        Event(e.kind, e.actor, e.start - times[0], e.end - times[0]) for e in camera.events
    )
    return Clip(frames, truths, (camera.width, camera.height), events, camera.scene)
