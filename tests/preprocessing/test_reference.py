from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

from costream.preprocessing.reference import patchify, resize


def test_patches_are_the_published_processor_s() -> None:
    frames = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    published, *grid = Qwen3VLVideoProcessor.patchify(
        SimpleNamespace(), frames[None], patch_size=16, merge_size=2, temporal_patch_size=2
    )
    assert grid == [1, 4, 6]
    assert torch.equal(patchify(frames, 16, 2), published[0])


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
