"""Each backend against attention written out token by token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from costream.engine.attention import sdpa
from costream.engine.attention.backends import ATTENTION
from costream.engine.attention.kernel import AttentionKernel, KeyView
from costream.engine.attention.paged import KeyProbe, PagedAttention
from costream.engine.attention.sdpa import SdpaKernel, grouped_attention
from costream.engine.kv_pool import KVPool
from costream.engine.plan import SHARED, Keys
from costream.engine.upload import Upload
from costream.errors import IntegrityError
from tests.engine.attention.passes import (
    CPU,
    HEADS,
    KV_HEADS,
    SCALE,
    WIDTH,
    Case,
    all_of,
    case_of,
    gathered,
    pool_of,
    queries_of,
    rotate,
    streams_of,
    visible,
)

ROWS = 400

cases = st.builds(
    lambda seed, window, asks, share, zones: case_of(
        np.random.default_rng(seed), ROWS, window, asks, share, zones
    ),
    seed=st.integers(0, 99),
    window=st.integers(1, 300),
    asks=st.integers(0, 3),
    share=st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    zones=st.sampled_from([0, 0, 1, 3]),
)


def kernel_of(name: str, pool: KVPool, found: list[Case]) -> AttentionKernel:
    streams, upload = streams_of(found)
    kernel = ATTENTION[name]().plan(pool, streams, upload)
    upload.move()
    return kernel


@pytest.mark.parametrize("name", list(ATTENTION))
@settings(max_examples=12)
@given(found=st.lists(cases, min_size=1, max_size=4))
def test_tokens_gather_what_is_theirs_to_see(name: str, found: list[Case]) -> None:
    pool, queries = pool_of(ROWS), queries_of(found)
    kernel = kernel_of(name, pool, found)
    for layer in (0, 1):
        mixed = kernel.run(layer, queries, SCALE)
        expected = gathered(pool, found, queries, layer)
        assert mixed.shape == (queries.shape[1], HEADS, WIDTH)
        assert (mixed - expected).abs().max() < 1e-5


@pytest.mark.parametrize("name", list(ATTENTION))
def test_nothing_is_run_before_its_integers_were_moved(name: str) -> None:
    found = [case_of(np.random.default_rng(0), ROWS, 40, 2, 0.5)]
    streams, upload = streams_of(found)
    kernel = ATTENTION[name]().plan(pool_of(ROWS), streams, upload)
    with pytest.raises(IntegrityError, match="before they were moved"):
        kernel.run(0, queries_of(found), SCALE)


@pytest.mark.parametrize("queries", [1, 5])
def test_heads_share_keys_without_repeating_them(queries: int) -> None:
    generator = torch.Generator().manual_seed(0)
    asking = torch.randn(HEADS, queries, WIDTH, generator=generator)
    keys, values = torch.randn(2, KV_HEADS, 7, WIDTH, generator=generator)
    mask = torch.where(torch.arange(7) <= torch.arange(queries)[:, None] + 2, 0.0, -torch.inf)
    repeated = [part.repeat_interleave(HEADS // KV_HEADS, dim=0) for part in (keys, values)]
    for used in (mask, None):
        scores = asking @ repeated[0].transpose(1, 2) * SCALE
        scores = scores if used is None else scores + used
        found = grouped_attention(asking, keys, values, used, SCALE)
        assert (found - scores.softmax(-1) @ repeated[1]).abs().max() < 1e-6


def one_stream(tokens: int, window: int) -> list[Case]:
    """The last tokens of a window."""
    keys = Keys(np.arange(window) % ROWS, np.zeros(window, np.int64), np.zeros(0, np.int64))
    places = np.arange(window - tokens, window)
    return [Case(keys, places, np.full(tokens, SHARED))]


def test_a_pass_keeps_the_masks_of_its_blocks_and_no_more() -> None:
    found = one_stream(600, 1000)
    kernel = kernel_of("sdpa", pool_of(ROWS), found)
    assert isinstance(kernel, SdpaKernel)
    assert kernel.mask_bytes == 0
    queries = queries_of(found)
    for layer in (0, 1, 0):
        kernel.run(layer, queries, SCALE)
    # Blocks of 256, 256 and 88 tokens see 656, 912 and 1000 keys; rows are padded to 16 numbers.
    assert kernel.mask_bytes == 4 * (256 * 656 + 256 * 912 + 88 * 1008)


def test_masks_beyond_the_bound_are_built_again_and_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, pool = one_stream(600, 1000), pool_of(ROWS)
    queries = queries_of(found)
    kept = kernel_of("sdpa", pool, found).run(0, queries, SCALE)
    bound = 4 * 256 * 700
    monkeypatch.setattr(sdpa, "MASK_BYTES", bound)
    kernel = kernel_of("sdpa", pool, found)
    assert isinstance(kernel, SdpaKernel)
    assert torch.equal(kernel.run(0, queries, SCALE), kept)
    assert kernel.mask_bytes == 4 * 256 * 656 <= bound
    assert torch.equal(kernel.run(0, queries, SCALE), kept)
    assert kernel.mask_bytes == 4 * 256 * 656


def test_a_lone_token_of_the_video_needs_no_mask() -> None:
    found = one_stream(1, 50)
    kernel = kernel_of("sdpa", pool_of(ROWS), found)
    assert isinstance(kernel, SdpaKernel)
    mixed = kernel.run(0, queries_of(found), SCALE)
    assert kernel.mask_bytes == 0
    assert (mixed - gathered(pool_of(ROWS), found, queries_of(found), 0)).abs().max() < 1e-5


def test_fresh_keys_are_stored_before_they_are_looked_at() -> None:
    pool, found = pool_of(ROWS), one_stream(3, 20)
    attention, rows = paged(pool, found, read=found)
    keys, values = torch.randn(2, KV_HEADS, 3, WIDTH, generator=torch.Generator().manual_seed(3))
    queries = queries_of(found)
    mixed = attention.attend(0, queries, keys, values, SCALE)
    stored = pool.gather(0, rows, None)
    assert torch.equal(stored[0], keys) and torch.equal(stored[1], values)
    assert (mixed - gathered(pool, found, queries, 0)).abs().max() < 1e-5


def paged(pool: KVPool, found: list[Case], read: list[Case]) -> tuple[PagedAttention, torch.Tensor]:
    """Attention of the last tokens of one stream, and their rows."""
    streams, upload = streams_of(found)
    rows = upload.add(found[0].keys.rows[found[0].places])
    last = kernel_of("sdpa", pool, read) if read else None
    kernel = ATTENTION["sdpa"]().plan(pool, streams, upload)
    upload.move()
    return PagedAttention(pool, rows, kernel, last), rows.tensor


def test_in_the_last_layer_those_that_are_read_ask_alone() -> None:
    pool, found = pool_of(ROWS), one_stream(3, 20)
    read = [Case(found[0].keys, found[0].places[[0, 2]], found[0].branches[[0, 2]])]
    keys, values = torch.randn(2, KV_HEADS, 3, WIDTH, generator=torch.Generator().manual_seed(3))
    attention, rows = paged(pool, found, read)
    queries = queries_of(read)
    mixed = attention.attend(1, queries, keys, values, SCALE)
    assert torch.equal(pool.gather(1, rows, None)[0], keys)
    assert (mixed - gathered(pool, read, queries, 1)).abs().max() < 1e-5
    attention, _ = paged(pool, found, [])
    assert attention.attend(1, queries[:, :0], keys, values, SCALE).shape == (0, HEADS, WIDTH)


def test_a_probe_compares_keys_where_they_stand_and_writes_nothing() -> None:
    pool, found = pool_of(ROWS), [case_of(np.random.default_rng(4), ROWS, 30, 0, 0.5)]
    before = all_of(pool, ROWS)
    streams, upload = streams_of(found)
    keys, places = found[0].keys, found[0].places
    moved = Keys(keys.rows[places], keys.distances[places], keys.rows[:0])
    view = KeyView(moved, rotate, upload)
    probe = KeyProbe(pool, 1, view, ATTENTION["sdpa"]().plan(pool, streams, upload))
    upload.move()
    stored, _ = pool.gather(
        1, torch.from_numpy(moved.rows), rotate(torch.from_numpy(moved.distances))
    )
    queries = queries_of(found)
    first = probe.attend(0, queries, stored, stored, SCALE)
    assert (first - gathered(pool, found, queries, 0)).abs().max() < 1e-5
    shift = torch.arange(len(places), dtype=torch.float32)
    probe.attend(1, queries, stored + shift[None, :, None], stored, SCALE)
    expected = KV_HEADS * WIDTH * shift.square()
    assert torch.allclose(probe.deviations, expected, rtol=1e-3)
    assert all(map(torch.equal, all_of(pool, ROWS), before))


def test_an_upload_moves_arrays_together_and_gives_each_back() -> None:
    upload = Upload(CPU)
    first, empty, last = (upload.add(np.arange(n)) for n in (3, 0, 5))
    upload.move()
    assert first.tensor.tolist() == [0, 1, 2]
    assert empty.tensor.tolist() == []
    assert last.tensor.tolist() == [0, 1, 2, 3, 4]
    pointers = {part.tensor.untyped_storage().data_ptr() for part in (first, last)}
    assert len(pointers) == 1


@settings(max_examples=25)
@given(found=cases)
def test_what_a_stream_s_tokens_see_is_told_by_place_and_question(found: Case) -> None:
    (stream,), upload = streams_of([found])
    upload.move()
    seen = stream.visible(0, len(stream), len(stream.keys))
    assert torch.equal(seen, torch.from_numpy(visible(found)[:, : len(stream.keys)]))
