"""The default rule on streams that were really encoded."""

from functools import cache

import numpy as np
import pytest

from costream.lab.evaluate.signal import SignalSetup, compare_pixels
from costream.lab.synth import EncoderSettings, LightChange, SyntheticCamera, encode
from costream.pruning import DEFAULT_PRUNER, PRUNERS, KeepMask, PatchGrid, PrunerSettings
from costream.video import Sample, Stream

from .aimed import MARGIN, aimed, cut, shaking

GRID = PatchGrid(28, 28, 2)
FPS = 5.0
WINDOW = 80
SIZE = {"width": 320, "height": 192, "fps": FPS, "every": 12.0}
ENCODERS = pytest.mark.parametrize("codec", ["libx264", "libx265"])
QUICK = {"preset": "ultrafast", "gop": 25}


def sampled(tmp_path, frames, codec="libx264") -> list[Sample]:
    settings = EncoderSettings(codec=codec, **QUICK)
    path = encode(frames, tmp_path / "x.mp4", fps=FPS, settings=settings)
    return list(Stream(path).samples(2))


def decide(samples: list[Sample], rule: str = DEFAULT_PRUNER) -> list[KeepMask]:
    pruner = PRUNERS[rule](GRID, PrunerSettings(anchor_every=WINDOW))
    return [pruner.decide([one]) for one in samples]


def noisy(picture: np.ndarray, index: int) -> np.ndarray:
    noise = np.random.default_rng(index).normal(0, 1.6, picture.shape[:2])
    return np.clip(picture + noise[..., None] + 0.5, 0, 255).astype(np.uint8)


def places(frame: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """The groups in which a picture differs from the empty scene beyond doubt."""
    gap = np.abs(frame.astype(int) - empty).max(axis=2)
    tall, wide = frame.shape[0] / 14, frame.shape[1] / 14
    cells = np.zeros((14, 14), np.bool_)
    for row, col in np.ndindex(14, 14):
        part = gap[
            round(row * tall) : round((row + 1) * tall), round(col * wide) : round((col + 1) * wide)
        ]
        cells[row, col] = (part > 20).mean() > 0.1
    return cells


def ages(masks: list[KeepMask]) -> np.ndarray:
    """Ticks since each group was last kept: [ticks, rows, cols]."""
    age, found = np.zeros((14, 14), int), []
    for mask in masks:
        age = np.where(mask.groups, 0, age + 1)
        found.append(age)
    return np.stack(found)


@pytest.fixture(scope="module")
def hall() -> tuple[np.ndarray, np.ndarray]:
    """The empty hall, and the same with a visitor who stands in it."""
    camera = SyntheticCamera(seed=2, falls=0, **SIZE)
    frames = [index for index in range(400) if len(camera.truth(index).boxes) == 1]
    boxes = [camera.truth(index).boxes[0] for index in frames]
    middle = min(range(len(frames)), key=lambda at: abs(boxes[at].left + boxes[at].right - 320))
    return camera.clean(0), camera.clean(frames[middle])


@ENCODERS
def test_who_stands_still_stays_represented_in_every_window(tmp_path, hall, codec):
    empty, visited = hall
    stands = range(20, 20 + round(90 * FPS))
    frames = (noisy(visited if index in stands else empty, index) for index in range(500))
    samples = sampled(tmp_path, frames, codec)
    masks, where = decide(samples), places(visited, empty)
    assert where.sum() >= 3
    arrival, departure = round(20 / FPS * 2), round(stands.stop / FPS * 2)
    assert masks[arrival].groups[where].all()
    assert masks[departure].groups[where].all()
    # A kept group is in the window's tokens until it is a window old.
    assert ages(masks)[arrival:departure][:, where].max() < WINDOW
    calm = [mask for mask in masks if mask.anchor is None]
    assert np.mean([mask.groups for mask in calm]) < 0.02


def test_a_thing_left_behind_stays_represented(tmp_path, hall):
    empty, _ = hall
    bag = empty.copy()
    bag[130:160, 90:130] = (40, 34, 60)
    # Not in a key frame: what changes in exactly one that is not decoded is seen a tick later.
    frames = (noisy(empty if index < 53 else bag, index) for index in range(500))
    masks, where = decide(sampled(tmp_path, frames)), places(bag, empty)
    assert where.any()
    assert masks[21].groups[where].all()
    assert ages(masks)[21:][:, where].max() < WINDOW


@cache
def lit(seconds: float) -> list[np.ndarray]:
    """The empty hall, whose light falls in so many seconds."""
    change = LightChange(start=6.2, seconds=seconds, gain=0.7)
    camera = SyntheticCamera(seed=2, drift=0, lights=[change], **{**SIZE, "every": 1e6})
    return [camera.frame(index) for index in range(100)]


@pytest.mark.parametrize("seconds", [0.0, 1.5, 6.0])
@ENCODERS
def test_a_change_of_the_light_keeps_one_whole_frame_at_most(tmp_path, codec, seconds):
    masks = decide(sampled(tmp_path, lit(seconds), codec))
    assert [mask.anchor for mask in masks if mask.anchor] == ["first", "light"]
    assert sum(mask.kept for mask in masks[1:]) <= 1.05 * GRID.groups


def test_taking_the_light_out_always_keeps_nothing_of_it(tmp_path):
    masks = decide(sampled(tmp_path, lit(1.5)[:80]), "last-kept-relit")
    assert sum(mask.kept for mask in masks[1:]) <= 0.05 * GRID.groups


def wide_hall(**settings) -> SyntheticCamera:
    size = {"width": 320 + 2 * MARGIN, "height": 192 + 2 * MARGIN}
    return SyntheticCamera(seed=2, falls=0, **{**SIZE, **size, **settings})


def test_a_panning_camera_is_one_cut_and_then_plain_pruning(tmp_path):
    wide = SyntheticCamera(seed=2, **{**SIZE, "width": 1280}).clean(0)
    frames = (noisy(wide[:, 8 * index : 8 * index + 320], index) for index in range(75))
    masks = decide(sampled(tmp_path, frames))
    assert [mask.anchor for mask in masks if mask.anchor] == ["first", "cut"]
    assert [mask.scene for mask in masks].count("pan") >= len(masks) / 3
    assert np.mean([mask.groups for mask in masks[2:]]) < 1


@cache
def shaken(pixels: int) -> list[np.ndarray]:
    """The empty hall, seen by a camera that jumps by up to so many pixels."""
    return list(aimed(wide_hall(every=1e6), shaking(100, pixels)))


@ENCODERS
@pytest.mark.parametrize("pixels", [2, 4])
def test_a_shaken_camera_keeps_what_changes_and_not_the_picture(tmp_path, codec, pixels):
    samples = sampled(tmp_path, shaken(pixels), codec)
    masks = decide(samples)
    assert [mask.anchor for mask in masks if mask.anchor] == ["first"]
    assert [mask.scene for mask in masks].count("shake") > 0.6 * len(masks)
    plain = compare_pixels(samples, SignalSetup(anchor_every=WINDOW))
    assert np.mean([mask.groups for mask in masks[1:]]) < 0.4 * plain


def test_who_comes_in_is_kept_by_a_shaken_camera(tmp_path):
    camera = wide_hall(noise=0, drift=0)
    visited = next(i for i in range(100, 400) if len(camera.truth(i).boxes) == 1)
    aim = shaking(60, 4)
    frames = (
        noisy(cut(camera.clean(visited if index >= 30 else 0), *aim[index]), index)
        for index in range(60)
    )
    masks = decide(sampled(tmp_path, frames))
    empty, full = (cut(camera.clean(index), 0, 0) for index in (0, visited))
    where = places(full, empty)
    assert where.any()
    assert masks[12].groups[where].all()
    assert masks[12].scene == "shake"


def test_a_camera_that_stands_is_never_said_to_move(tmp_path):
    camera = SyntheticCamera(seed=2, **{**SIZE, "every": 4.0})
    masks = decide(sampled(tmp_path, map(camera.frame, range(150))))
    assert max(mask.groups.mean() for mask in masks[1:]) > 0.1
    assert not {"shake", "pan"} & {mask.scene for mask in masks}


def test_i_frames_keep_nothing_where_nothing_happens(tmp_path):
    camera = SyntheticCamera(seed=2, drift=0, noise=4, **{**SIZE, "every": 1e6})
    settings = EncoderSettings(gop=3, crf=30)
    path = encode(map(camera.frame, range(75)), tmp_path / "x.mp4", fps=FPS, settings=settings)
    masks = decide(list(Stream(path).samples(2)))
    assert np.mean([mask.groups for mask in masks[1:]]) < 0.002
