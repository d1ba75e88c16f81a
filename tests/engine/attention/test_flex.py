"""Tiles of FlexAttention's mask: found on the host, without the mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from costream.engine.attention.flex import TILE, FlexKernel, padded, tiles_of
from costream.engine.plan import SHARED, Keys
from tests.engine.attention.passes import Case, case_of, pool_of, streams_of, visible

ROWS = 2000

cases = st.builds(
    lambda seed, window, asks, share, zones: case_of(
        np.random.default_rng(seed), ROWS, window, asks, share, zones
    ),
    seed=st.integers(0, 99),
    window=st.integers(1, 900),
    asks=st.integers(0, 20),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    zones=st.sampled_from([0, 0, 1, 3]),
)


def whole_mask(found: Sequence[Case]) -> np.ndarray:
    """Who sees whom of all streams together, with padding that nobody sees."""
    queries = sum(len(case.places) for case in found)
    keys = [int(case.places[-1]) + 1 for case in found]
    mask = np.zeros((padded(queries), padded(sum(keys))), np.bool_)
    row = column = 0
    for case, seen in zip(found, keys, strict=True):
        part = visible(case)[:, :seen]
        mask[row : row + len(part), column : column + seen] = part
        row, column = row + len(part), column + seen
    return mask


def tiled(mask: np.ndarray) -> np.ndarray:
    rows, columns = (side // TILE for side in mask.shape)
    return mask.reshape(rows, TILE, columns, TILE).transpose(0, 2, 1, 3)


BORDER = Case(
    Keys(np.zeros(4 * TILE, np.int64), np.zeros(4 * TILE, np.int64), np.zeros(0, np.int64)),
    np.arange(2 * TILE, 4 * TILE),
    np.full(2 * TILE, SHARED),
)


QUESTIONS = Case(
    Keys(np.zeros(3 * TILE, np.int64), np.zeros(3 * TILE, np.int64), np.repeat([0, 1], TILE)),
    np.arange(3 * TILE),
    np.repeat([SHARED, 0, 1], TILE),
)
"""Two questions of a tile each: the second sees nothing of the first."""


@settings(max_examples=60)
@given(found=st.lists(cases, min_size=1, max_size=4))
@example(found=[BORDER, BORDER])
@example(found=[QUESTIONS])
def test_tiles_cover_what_is_seen_and_whole_ones_hide_nothing(found: list[Case]) -> None:
    streams, _ = streams_of(found)
    partial, whole = tiles_of(streams)
    tiles = tiled(whole_mask(found))
    assert not (partial & whole).any()
    assert not tiles[~(partial | whole)].any()
    assert tiles[whole].all()


def test_what_all_of_a_tile_see_is_not_masked() -> None:
    streams, _ = streams_of([BORDER, BORDER])
    partial, whole = tiles_of(streams)
    # Two tiles of queries behind two tiles of keys each: only the diagonal has to be masked.
    ours = [[1, 1, 0, 0], [1, 1, 1, 0]]
    nothing = np.zeros((2, 4), np.int64)
    assert np.array_equal(whole, np.block([[np.array(ours), nothing], [nothing, np.array(ours)]]))
    diagonal = np.array([[0, 0, 1, 0], [0, 0, 0, 1]])
    assert np.array_equal(partial, np.block([[diagonal, nothing], [nothing, diagonal]]))


@settings(max_examples=10)
@given(found=st.lists(cases, min_size=1, max_size=3))
def test_the_block_mask_lists_those_tiles(found: list[Case]) -> None:
    streams, upload = streams_of(found)
    kernel = FlexKernel(pool_of(ROWS), streams, upload)
    upload.move()
    partial, whole = tiles_of(streams)
    dense = kernel.block_mask.to_dense()[0, 0]
    assert torch.equal(dense.bool(), torch.from_numpy(partial | whole))
    assert kernel.block_mask.shape[-2:] == whole_mask(found).shape
    assert kernel.block_mask is kernel.block_mask


def test_lengths_are_whole_tiles_and_never_a_single_one() -> None:
    assert [padded(n) for n in (1, TILE, TILE + 1, 2 * TILE, 2 * TILE + 1)] == [
        2 * TILE, 2 * TILE, 2 * TILE, 2 * TILE, 3 * TILE,
    ]  # fmt: skip
