"""Pixels that a polygon touches are in no patch of a group that it doesn't touch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.preprocessing import (
    FrameGeometry,
    PooledPreprocessing,
    Preprocessing,
    QwenPreprocessing,
    TilePreprocessing,
)
from costream.video import Picture, Polygon, touched

HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "context": None}
FAMILIES: dict[str, tuple[Preprocessing, tuple[int, int]]] = {
    "qwen": (QwenPreprocessing(16, 2, 2, **HALF), (160, 96)),
    "internvl": (TilePreprocessing(14, 2, 1, **HALF, tile=(112, 112)), (112, 112)),
    "llava-onevision": (PooledPreprocessing(14, 1, 1, **HALF, tile=(104, 104)), (104, 104)),
}

shares = st.floats(0, 1, allow_subnormal=False)
polygons = st.lists(st.tuples(shares, shares), min_size=3, max_size=6).map(tuple)


def cut(family: Preprocessing, pixels: np.ndarray, kept: np.ndarray, geometry: FrameGeometry):
    return family.patches([Picture.from_rgb(pixels)], kept, geometry)


@pytest.mark.parametrize("name", list(FAMILIES))
@given(polygon=polygons)
def test_what_is_touched_is_in_no_other_group(name: str, polygon: Polygon) -> None:
    family, (width, height) = FAMILIES[name]
    geometry = family.geometry(width, height, 2, (width, height))
    hidden = family.touched(polygon, geometry)
    assert hidden.shape == (geometry.grid.groups,)
    pixels = np.full((height, width, 3), 60, np.uint8)
    changed = np.where(touched(polygon, (height, width))[..., None], 200, pixels).astype(np.uint8)
    one, other = (cut(family, frame, ~hidden, geometry) for frame in (pixels, changed))
    assert np.array_equal(one, other)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_no_more_groups_are_touched_than_need_be(name: str) -> None:
    family, (width, height) = FAMILIES[name]
    geometry = family.geometry(width, height, 2, (width, height))
    corner = ((0.0, 0.0), (0.02, 0.0), (0.02, 0.02))
    assert np.flatnonzero(family.touched(corner, geometry)).tolist() == [0]
    everything = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert family.touched(everything, geometry).all()
