"""Every family's preprocessing: its values, and that it does without model and torch."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from costream.errors import SettingsError
from costream.preprocessing import (
    PooledPreprocessing,
    Preprocessing,
    QwenPreprocessing,
    TilePreprocessing,
)
from costream.preprocessing.pooled import pooling_taps
from costream.preprocessing.reference import patchify, resize
from tests.fakes import noise_pictures

HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
FAMILIES: dict[str, Preprocessing] = {
    "qwen3-vl": QwenPreprocessing(16, 2, 2, **HALF, context=None),
    "qwen2.5-vl": QwenPreprocessing(14, 2, 2, **HALF, context=99_999, pixels=(3136, 12_845_056)),
    "internvl": TilePreprocessing(14, 2, 1, **HALF, context=99_999, tile=(448, 448)),
    "llava-onevision": PooledPreprocessing(14, 1, 1, **HALF, context=99_999, tile=(384, 384)),
}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Preprocessing:
    return FAMILIES[request.param]


def stock_patches(
    family: Preprocessing, pictures: list, size: tuple[int, int], kept: np.ndarray
) -> np.ndarray:
    """The published preprocessing of whole frames, of which some patches are taken."""
    frames = [
        resize(torch.from_numpy(p.rgb()).permute(2, 0, 1).contiguous(), *size) for p in pictures
    ]
    side = family.patch * family.merge
    reach = size[1] // side * side, size[0] // side * side
    whole = patchify(torch.stack(frames)[..., : reach[0], : reach[1]], family.patch, family.merge)
    chosen = torch.from_numpy(kept.reshape(-1)).repeat_interleave(family.merge**2)
    return whole[chosen].numpy()


@settings(max_examples=12)
@given(share=st.sampled_from([0.03, 0.4, 1.0]), seed=st.integers(0, 99))
@pytest.mark.parametrize("name", FAMILIES)
def test_kept_patches_are_those_of_whole_frames(name: str, share: float, seed: int) -> None:
    family = FAMILIES[name]
    pictures = noise_pictures(family.temporal_patch, width=320, height=176)
    geometry = family.geometry(320, 176, 8, None)
    kept = np.random.default_rng(seed).random(geometry.grid.groups) < share
    patches = family.patches(pictures, kept, geometry)
    made_of = family.cut_mask(kept, geometry)
    size = geometry.width, geometry.height
    np.testing.assert_array_equal(patches, stock_patches(family, pictures, size, made_of))


def test_it_can_be_sent_to_another_process(family: Preprocessing) -> None:
    copy = pickle.loads(pickle.dumps(family))
    assert copy == family
    geometry = family.geometry(640, 360, 80, None)
    assert copy.geometry(640, 360, 80, None) == pickle.loads(pickle.dumps(geometry)) == geometry


def test_it_needs_neither_torch_nor_transformers(family: Preprocessing, tmp_path: Path) -> None:
    pytest.importorskip("costream._pixels", reason="without it torch does the resizing")
    geometry = family.geometry(320, 176, 8, None)
    kept = np.arange(geometry.grid.groups) % 5 == 0
    pictures = noise_pictures(family.temporal_patch, width=320, height=176)
    work = tmp_path / "work"
    work.write_bytes(pickle.dumps((family, geometry, kept, [p.rgb() for p in pictures])))
    code = (
        "import pickle, sys; from pathlib import Path; from costream.video import Picture\n"
        f"work = Path({str(work)!r})\n"
        "family, geometry, kept, frames = pickle.loads(work.read_bytes())\n"
        "patches = family.patches([Picture.from_rgb(f) for f in frames], kept, geometry)\n"
        "family.geometry(1920, 1080, 80, family.nearest_size((224, 224)))\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
        "work.write_bytes(pickle.dumps(patches))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    there = pickle.loads(work.read_bytes())
    np.testing.assert_array_equal(there, family.patches(pictures, kept, geometry))


def test_a_window_longer_than_the_context_is_refused() -> None:
    bounded = TilePreprocessing(14, 2, 1, **HALF, context=2559, tile=(448, 448))
    bounded.geometry(640, 360, 9, None)
    with pytest.raises(SettingsError, match="2560 visual tokens and this model at most 2559"):
        bounded.geometry(640, 360, 10, None)


@pytest.mark.parametrize("patches", range(1, 40))
def test_tokens_are_made_of_the_patches_that_pooling_weighs(patches: int) -> None:
    tokens = -(-patches // 2)
    unit = torch.eye(patches, dtype=torch.float64)
    weights = torch.nn.functional.interpolate(unit[None], size=tokens, mode="linear")[0].T
    np.testing.assert_array_equal(pooling_taps(patches, tokens), weights.gt(1e-9).numpy())
