from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

from costream.models.pixels import PixelSettings, fit, frames_to_tensor, patchify, resize
from tests.fakes import noise_pictures

SETTINGS = PixelSettings(4096, 25165824, 768, (0.5, 0.4, 0.3), (0.5, 0.25, 0.2))


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


@pytest.mark.parametrize("frames", [2, 16, 80, 700])
@pytest.mark.parametrize("size", [(1920, 1080), (640, 480), (321, 243), (20, 300)])
def test_fitted_sizes_keep_to_the_budget(size: tuple[int, int], frames: int) -> None:
    width, height = fit(*size, frames, 32, SETTINGS)
    assert width % 32 == height % 32 == 0
    assert width * height <= 768 * 32 * 32
    assert width * height * frames <= SETTINGS.max_pixels or width * height <= 4301
