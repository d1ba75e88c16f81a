from __future__ import annotations

import torch

from costream.models.pixels import normalise, unpatchify
from costream.preprocessing import QwenPreprocessing
from costream.preprocessing.reference import patchify
from costream.pruning import PatchGrid

FAMILY = QwenPreprocessing(16, 2, 2, mean=(0.5, 0.4, 0.3), std=(0.5, 0.25, 0.2), context=None)


def test_patches_are_normalised_by_channel_as_published() -> None:
    """Whole frames are, before they are cut; the values are the same to the bit."""
    frames = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    mean, std = (torch.tensor(v)[:, None, None] * 255 for v in (FAMILY.mean, FAMILY.std))
    published = patchify((frames.float() - mean) / std, 16, 2)
    patches = patchify(frames, 16, 2)
    before = patches.clone()
    assert torch.equal(normalise(patches, FAMILY), published)
    assert torch.equal(patches, before)


def test_no_patches_are_normalised_to_none() -> None:
    assert normalise(torch.empty(0, 1536, dtype=torch.uint8), FAMILY).shape == (0, 1536)


def test_patches_are_put_together_again() -> None:
    frame = torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8)
    assert torch.equal(unpatchify(patchify(frame[None], 16, 2), 16, PatchGrid(4, 6, 2)), frame)
