"""What stands still stays in the tokens of every window, whatever is pruned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from costream.engine.cached_patch import CachedPatch
from costream.engine.engine import Engine
from costream.lab.synth import EncoderSettings, SyntheticCamera, encode
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.video import Stream

FPS = 5.0
ARRIVES, LEAVES, ENDS = 20.0, 140.0, 170.0
"""Seconds: two minutes in between."""

SETTINGS = EngineSettings.checked(fps=2, window=16, stride=4, frame_size=(320, 192))


def standing(camera: SyntheticCamera) -> np.ndarray:
    """The hall with one visitor, near by."""
    alone = [index for index in range(400) if len(camera.truth(index).boxes) == 1]
    boxes = {index: camera.truth(index).boxes[0] for index in alone}
    return camera.clean(max(alone, key=lambda at: boxes[at].bottom - boxes[at].top))


def left_behind(camera: SyntheticCamera) -> np.ndarray:
    """The hall with a bag in it."""
    picture = camera.clean(0).copy()
    picture[130:160, 90:130] = (40, 34, 60)
    return picture


def filmed(empty: np.ndarray, taken: np.ndarray) -> Iterator[np.ndarray]:
    for index in range(round(ENDS * FPS)):
        picture = taken if ARRIVES <= index / FPS < LEAVES else empty
        noise = np.random.default_rng(index).normal(0, 1.6, picture.shape[:2])
        yield np.clip(picture + noise[..., None] + 0.5, 0, 255).astype(np.uint8)


def changed_groups(empty: np.ndarray, taken: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The groups in which the two pictures differ beyond doubt."""
    gap = np.abs(taken.astype(int) - empty).max(axis=2) > 20
    rows, cols = (
        np.arange(side) * cells // side for side, cells in zip(gap.shape, shape, strict=True)
    )
    counts = np.zeros(shape)
    np.add.at(counts, (rows[:, None], cols[None]), gap)
    return counts > 0.05 * gap.size / counts.size


def follow(patches: Sequence[CachedPatch], newest: np.ndarray) -> None:
    """Moves on the tick at which each group was encoded that the window's last frames show."""
    for patch in patches:
        assert patch.shown.all()
        newest[patch.keep.groups] = patch.tick


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("put", [standing, left_behind])
def test_it_is_in_the_tokens_of_every_window(
    tmp_path: Path, model: ModelAdapter, codec: str, put: Callable[[SyntheticCamera], np.ndarray]
) -> None:
    camera = SyntheticCamera(seed=2, width=320, height=192, fps=FPS, falls=0)
    empty, taken = camera.clean(0), put(camera)
    path = encode(
        filmed(empty, taken),
        tmp_path / "x.mp4",
        fps=FPS,
        settings=EncoderSettings(codec=codec, preset="ultrafast", gop=25),
    )
    engine = Engine(model, SETTINGS)
    with Stream(path, motion=False) as stream:
        watch = engine.open(stream, ["Is someone there?"])
        judged = pruned = 0
        newest: np.ndarray | None = None
        for window, _ in engine.windows(stream):
            result = watch.step(window)
            shape = watch.state.window.patches[0].keep.groups.shape
            where = changed_groups(empty, taken, shape)
            assert where.sum() >= 2
            if newest is None:
                newest = np.full(shape, -1)
            follow(watch.state.window.patches, newest)
            if result.end > ARRIVES + 1:
                # Its tokens show the visitor, and after he has left the empty place.
                since = LEAVES if result.end > LEAVES + 1 else ARRIVES
                assert (newest[where] / SETTINGS.fps >= since - 0.5).all()
                judged += 1
            pruned += result.tokens.kept < result.tokens.full / 2
        assert judged > 30
        assert pruned > 30
