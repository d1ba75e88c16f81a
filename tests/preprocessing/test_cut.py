"""What native code cuts is what torch cuts, to the bit."""

from __future__ import annotations

import logging
import sys
import threading

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from costream.preprocessing import cut
from costream.preprocessing.reference import ReferenceCutter
from costream.video import Picture
from tests.fakes import noise_pictures

pixels = pytest.importorskip("costream._pixels", reason="the package was built without it")

ARRANGED = {
    "plain": lambda frame: frame,
    "turned": lambda frame: np.rot90(frame),
    "mirrored": lambda frame: frame[:, ::-1],
    "upside down": lambda frame: frame[::-1, ::-1],
    "by colour": lambda frame: np.ascontiguousarray(frame.transpose(2, 0, 1)).transpose(1, 2, 0),
    "columns first": np.asfortranarray,
    "every other": lambda frame: np.repeat(np.repeat(frame, 2, 0), 2, 1)[::2, ::2],
}


def frame_of(width: int, height: int, seed: int) -> np.ndarray:
    """Noise, half of it of black and white alone: weights below 0 overshoot there."""
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return values if seed % 2 else np.where(values < 128, 0, 255).astype(np.uint8)


def both(
    frame: np.ndarray,
    kept: np.ndarray,
    size: tuple[int, int],
    patch: int,
    merge: int,
    *,
    portable: bool = False,
    times: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what native code cuts and what torch does, at the last of the times."""
    shape = int(kept.sum()) * merge**2, 3 * times * patch**2
    native, stock = np.full(shape, 7, np.uint8), np.full(shape, 7, np.uint8)
    cutter = pixels.Cutter(frame.shape[1], frame.shape[0], *size, patch, merge, portable)
    cutter.cut(frame, kept, native, times - 1)
    ReferenceCutter(size, patch, merge).cut(frame, kept, stock, times - 1)
    return native, stock


sides = st.integers(1, 400)


@settings(max_examples=200)
@given(
    shown=st.tuples(sides, sides),
    groups=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    cutting=st.sampled_from([(16, 2), (14, 2), (14, 1), (16, 1), (3, 1), (5, 3), (17, 2), (8, 4)]),
    rest=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    arranged=st.sampled_from(list(ARRANGED)),
    times=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@example((5, 400), (9, 1), (14, 2), (0, 0), 1.0, "plain", 1, 0)
@example((400, 1), (1, 9), (14, 2), (0, 0), 1.0, "plain", 2, 0)
@example((33, 1), (1, 1), (17, 2), (0, 0), 1.0, "turned", 1, 0)
def test_kept_groups_are_torch_s(
    shown: tuple[int, int],
    groups: tuple[int, int],
    cutting: tuple[int, int],
    rest: tuple[int, int],
    share: float,
    arranged: str,
    times: int,
    seed: int,
) -> None:
    patch, merge = cutting
    size = groups[0] * patch * merge + rest[0], groups[1] * patch * merge + rest[1]
    frame = ARRANGED[arranged](frame_of(*shown, seed))
    kept = np.random.default_rng(seed).random(groups[::-1]) < share
    for portable in (False, True):
        native, stock = both(frame, kept, size, patch, merge, portable=portable, times=times)
        np.testing.assert_array_equal(native, stock)


@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("same", ["both", "width", "height"])
@pytest.mark.parametrize("cutting", [(16, 2), (14, 1)])
def test_sides_that_stay_are_cut_as_they_are(
    cutting: tuple[int, int], same: str, portable: bool
) -> None:
    patch, merge = cutting
    width, height = 8 * patch * merge, 5 * patch * merge
    shown = width - 9 * (same == "height"), height + 9 * (same == "width")
    kept = np.random.default_rng(3).random((5, 8)) < 0.6
    frame = frame_of(*shown, 1)
    native, stock = both(frame, kept, (width, height), patch, merge, portable=portable)
    np.testing.assert_array_equal(native, stock)


@pytest.mark.parametrize(
    ("shown", "size", "patch", "merge"),
    [
        ((1920, 1080), (1152, 640), 16, 2),
        ((1920, 1080), (1008, 560), 14, 2),
        ((3840, 2160), (448, 448), 14, 2),
        ((704, 576), (384, 384), 14, 1),
        ((176, 144), (364, 308), 14, 2),
    ],
)
def test_sizes_of_cameras_are_torch_s(
    shown: tuple[int, int], size: tuple[int, int], patch: int, merge: int
) -> None:
    kept = np.ones((size[1] // (patch * merge), size[0] // (patch * merge)), np.bool_)
    native, stock = both(frame_of(*shown, 1), kept, size, patch, merge)
    np.testing.assert_array_equal(native, stock)


def test_only_source_pixels_of_kept_groups_count() -> None:
    """The rest of the frame may hold anything."""
    frame = frame_of(320, 192, 1)
    kept = np.zeros((6, 10), np.bool_)
    kept[2, 3] = True
    before, _ = both(frame, kept, (160, 96), 8, 2)
    around = np.ones(frame.shape, np.bool_)
    # A group of 16 pixels at half size: 32 of the source, and four more to each side.
    around[64 - 4 : 96 + 4, 96 - 4 : 128 + 4] = False
    after, _ = both(np.where(around, 255 - frame, frame), kept, (160, 96), 8, 2)
    np.testing.assert_array_equal(before, after)


def test_threads_share_a_cutter() -> None:
    cutter = pixels.Cutter(320, 180, 224, 128, 16, 2)
    frames = [frame_of(320, 180, seed) for seed in range(4)]
    kept = np.ones((4, 7), np.bool_)
    found = [np.empty((112, 768), np.uint8) for _ in frames]

    def work(frame: np.ndarray, patches: np.ndarray) -> None:
        for _ in range(20):
            cutter.cut(frame, kept, patches, 0)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(frames, found, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for frame, patches in zip(frames, found, strict=True):
        np.testing.assert_array_equal(patches, both(frame, kept, (224, 128), 16, 2)[1])


@pytest.mark.parametrize(
    ("frame", "groups", "patches", "time", "message"),
    [
        ((64, 95), (2, 3), (24, 768), 0, "another size"),
        ((64, 96), (2, 4), (32, 768), 0, "reach beyond"),
        ((64, 96), (2, 3), (23, 768), 0, "kept patches"),
        ((64, 96), (2, 3), (24, 767), 0, "kept patches"),
        ((64, 96), (2, 3), (24, 768), 1, "kept patches"),
        ((64, 96), (2, 3), (24, 768), -1, "kept patches"),
        ((64, 96), (2, 3), (24, 0), 0, "kept patches"),
    ],
)
def test_what_does_not_fit_is_refused(
    frame: tuple[int, int],
    groups: tuple[int, int],
    patches: tuple[int, int],
    time: int,
    message: str,
) -> None:
    cutter = pixels.Cutter(96, 64, 96, 64, 16, 2)
    with pytest.raises(ValueError, match=message):
        cutter.cut(
            np.zeros((*frame, 3), np.uint8),
            np.ones(groups, np.bool_),
            np.zeros(patches, np.uint8),
            time,
        )


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("value", [0, -1, 1 << 21])
def test_sizes_that_are_none_are_refused(place: int, value: int) -> None:
    sizes = [64, 64, 64, 64, 16, 2]
    sizes[place] = value
    with pytest.raises(ValueError, match="sizes"):
        pixels.Cutter(*sizes)


def test_patches_that_are_no_bytes_are_not_written_to() -> None:
    cutter = pixels.Cutter(96, 64, 96, 64, 16, 2)
    with pytest.raises(TypeError):
        cutter.cut(
            np.zeros((64, 96, 3), np.uint8), np.ones((2, 3), np.bool_), np.zeros((24, 768)), 0
        )


def cut_two(pictures: list[Picture]) -> np.ndarray:
    kept = np.ones((2, 2), np.bool_)
    return cut.cut_pictures(pictures, kept, size=(64, 64), patch=16, merge=2, times=2)


def test_frames_of_a_temporal_patch_stand_beside_each_other() -> None:
    first, second = noise_pictures(2)
    pair = cut_two([first, second]).reshape(16, 3, 2, 256)
    for time, picture in enumerate((first, second)):
        alone = cut_two([picture, picture]).reshape(16, 3, 2, 256)
        np.testing.assert_array_equal(pair[:, :, time], alone[:, :, time])
    assert (pair[:, :, 0] != pair[:, :, 1]).any()


def test_a_missing_frame_repeats_the_last() -> None:
    (picture,) = noise_pictures(1)
    np.testing.assert_array_equal(cut_two([picture]), cut_two([picture, picture]))


def test_where_nothing_is_kept_no_colour_is_converted() -> None:
    class Unseen(Picture):
        def rgb(self) -> np.ndarray:
            raise AssertionError("converted for nothing")

    picture = Unseen.from_rgb(np.zeros((32, 32, 3), np.uint8))
    none = np.zeros((2, 2), np.bool_)
    patches = cut.cut_pictures([picture], none, size=(64, 64), patch=16, merge=2, times=2)
    assert patches.shape == (0, 3 * 2 * 256)


def test_without_native_code_torch_cuts_the_same_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = noise_pictures(2)
    native = cut_two(pictures)
    monkeypatch.setitem(sys.modules, "costream._pixels", None)
    monkeypatch.delattr("costream._pixels")
    cut._native.cache_clear()
    cut.cut_by.cache_clear()
    try:
        with caplog.at_level(logging.WARNING, logger="costream"):
            np.testing.assert_array_equal(cut_two(pictures), native)
            cut_two(noise_pictures(1, width=50))
    finally:
        cut._native.cache_clear()
        cut.cut_by.cache_clear()
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "this installation has no native preprocessing"
    ]
