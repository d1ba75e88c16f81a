from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

from costream.errors import SettingsError
from costream.preprocessing.sizes import (
    PixelSettings,
    fit,
    frames_to_tensor,
    nearest_multiple,
    patchify,
    resize,
)
from tests.fakes import noise_pictures

SETTINGS = PixelSettings((0.5, 0.4, 0.3), (0.5, 0.25, 0.2))


def test_patches_are_the_published_processor_s() -> None:
    frames = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    mean, std = (torch.tensor(v)[:, None, None] * 255 for v in (SETTINGS.mean, SETTINGS.std))
    normalised = (frames.float() - mean) / std
    published, *grid = Qwen3VLVideoProcessor.patchify(
        SimpleNamespace(), normalised[None], patch_size=16, merge_size=2, temporal_patch_size=2
    )
    assert grid == [1, 4, 6]
    assert torch.equal(patchify(frames, 16, 2, SETTINGS), published[0])


@pytest.mark.parametrize("size", [(224, 160), (64, 96), (640, 480)])
def test_resizing_is_antialiased_bicubic_as_published(size: tuple[int, int]) -> None:
    """Pillow's filter is the one that torchvision's was made to match, to a rounding step."""
    rows, cols = np.mgrid[0:270, 0:480]
    image = (127 + 120 * np.sin(rows / 9) * np.cos(cols / 13)).astype(np.uint8)
    rgb = np.stack([image, image[::-1], image[:, ::-1]], axis=-1)
    ours = resize(torch.from_numpy(rgb).permute(2, 0, 1).contiguous(), *size)
    pillow = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))
    difference = np.abs(ours.permute(1, 2, 0).numpy().astype(int) - pillow.astype(int))
    assert difference.max() <= 1


def test_a_frame_of_the_right_size_is_left_alone() -> None:
    frame = torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8)
    assert resize(frame, 96, 64) is frame


def test_a_missing_frame_repeats_the_last() -> None:
    (picture,) = noise_pictures(1)
    frames = frames_to_tensor([picture], 64, 64, 2)
    assert frames.shape == (2, 3, 64, 64)
    assert torch.equal(frames[0], frames[1])


TOOL = [
    # What qwen_vl_utils 0.0.14 makes of a source: factor, frames, source, frame.
    (28, 80, (1920, 1080), (1008, 560)),
    (28, 640, (1920, 1080), (700, 392)),
    (28, 80, (3840, 2160), (1008, 560)),
    (28, 80, (1080, 1920), (560, 1008)),
    (28, 80, (640, 360), (644, 364)),
    (28, 80, (176, 144), (364, 308)),
    (32, 80, (1920, 1080), (1152, 640)),
    (32, 640, (1920, 1080), (800, 448)),
    (32, 768, (1920, 1080), (736, 384)),
    (32, 2, (1280, 720), (1152, 640)),
    (32, 80, (704, 576), (704, 576)),
    (32, 80, (640, 360), (640, 352)),
    (32, 80, (320, 240), (448, 320)),
]


@pytest.mark.parametrize(("factor", "frames", "source", "frame"), TOOL)
def test_frames_are_resized_as_by_the_family_s_video_tools(
    factor: int, frames: int, source: tuple[int, int], frame: tuple[int, int]
) -> None:
    assert fit(*source, frames, factor) == frame


@pytest.mark.parametrize("factor", [28, 32])
@pytest.mark.parametrize("frames", [1, 16, 80, 700, 100_000])
@pytest.mark.parametrize("size", [(1920, 1080), (640, 480), (321, 243), (20, 300), (9000, 64)])
def test_fitted_sizes_keep_to_the_budget(size: tuple[int, int], frames: int, factor: int) -> None:
    width, height = fit(*size, frames, factor)
    assert width % factor == height % factor == 0
    tokens = width * height // factor**2
    # Rounding up from below may pass the lower bound by a row and a column.
    assert 100 <= tokens <= 768
    assert tokens * frames / 2 <= 115_200 or tokens <= 134 + (width + height) // factor


def test_a_picture_too_narrow_for_the_rule_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"2100x10 is too narrow .*: choose a frame size"):
        fit(2100, 10, 8, 32)


@pytest.mark.parametrize(
    ("size", "factor", "expected"),
    [((224, 224), 32, (224, 224)), ((224, 200), 28, (224, 196)), ((5, 90), 32, (32, 96))],
)
def test_the_nearest_size_is_of_whole_groups(
    size: tuple[int, int], factor: int, expected: tuple[int, int]
) -> None:
    assert nearest_multiple(size, factor) == expected
