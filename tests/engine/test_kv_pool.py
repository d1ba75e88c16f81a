from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from costream.engine.kv_pool import KVPool
from costream.errors import IntegrityError, PoolExhaustedError
from costream.models import KVShape, ModelAdapter, VisualTokens
from tests.fakes import units

SHAPE = KVShape(
    layers=2,
    kv_heads=2,
    head_dim=4,
    hidden=6,
    deepstack=1,
    dtype=torch.float32,
    device=torch.device("cpu"),
)


def fill(pool: KVPool, rows: np.ndarray, value: float) -> None:
    block = torch.full((2, len(rows), 4), value)
    for layer in range(2):
        pool.write(layer, torch.from_numpy(rows), block + layer, -block - layer)


def seen(pool: KVPool, rows: np.ndarray, layer: int = 0) -> list[float]:
    keys, values = pool.gather(layer, torch.from_numpy(rows), None)
    assert torch.equal(keys, -values)
    return keys[0, :, 0].tolist()


def test_rows_keep_their_values_while_the_pool_grows() -> None:
    pool = KVPool(SHAPE, rows=4)
    held = []
    for value in range(1, 40):
        rows = pool.allocate(3)
        fill(pool, rows, float(value))
        held.append((rows, float(value)))
    for rows, value in held:
        assert seen(pool, rows) == [value] * 3
        assert seen(pool, rows, layer=1) == [value + 1] * 3
    pool.check_integrity([rows for rows, _ in held])
    assert len(set(np.concatenate([rows for rows, _ in held]).tolist())) == 39 * 3


@given(
    steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=40),
)
def test_a_row_is_free_again_when_nothing_refers_to_it(steps: list[tuple[int, int]]) -> None:
    pool, holders = KVPool(SHAPE, rows=4), list[np.ndarray]()
    for tokens, which in steps:
        if which < 4 or not holders:
            holders.append(pool.allocate(tokens))
        elif which < 7:
            shared = holders[which % len(holders)]
            pool.retain(shared)
            holders.append(shared)
        else:
            pool.release(holders.pop(which % len(holders)))
        pool.check_integrity(holders)
        assert pool.used == len(set(np.concatenate([[], *holders]).tolist()))


def test_naming_a_row_twice_counts_twice() -> None:
    pool = KVPool(SHAPE, rows=4)
    rows = pool.allocate(1)
    pool.retain(rows.repeat(2))
    pool.release(rows.repeat(2))
    assert pool.used == 1
    pool.release(rows)
    assert pool.used == 0


def test_a_limit_is_kept_and_refusing_takes_nothing() -> None:
    pool = KVPool(SHAPE, rows=2, limit=5)
    rows = pool.allocate(4)
    assert pool.can_allocate(1) and not pool.can_allocate(2)
    with pytest.raises(PoolExhaustedError, match="1 rows free of 5, and a window takes at least 2"):
        pool.allocate(2)
    pool.check_integrity([rows])
    assert pool.capacity <= 5
    assert len(pool.allocate(1)) == 1


def test_memory_is_rows_of_keys_and_values() -> None:
    pool = KVPool(SHAPE, rows=10)
    assert pool.row.bytes == 4 * (2 * 2 * 2 * 4)
    assert pool.bytes == 10 * pool.row.bytes


def test_keys_are_rotated_from_their_row_however_often(model: ModelAdapter) -> None:
    pool, shape = KVPool(model.kv_shape), model.kv_shape
    rows = pool.allocate(3)
    generator = torch.Generator().manual_seed(0)
    keys = torch.randn(shape.kv_heads, 3, shape.head_dim, generator=generator)
    pool.write(0, torch.from_numpy(rows), keys, keys)
    for distance in range(1, 2000, 7):
        turn = model.rotation(torch.full((3,), distance))
        moved, values = pool.gather(0, torch.from_numpy(rows), turn)
    assert torch.equal(moved, turn.apply(keys.transpose(0, 1)).transpose(0, 1))
    assert torch.equal(values, keys)


def features_of(tokens: int, first: float = 0.0, shape: KVShape = SHAPE) -> VisualTokens:
    numbers = first + torch.arange(float(tokens * (1 + shape.deepstack) * shape.hidden))
    parts = numbers.to(shape.dtype).view(1 + shape.deepstack, tokens, shape.hidden)
    return VisualTokens(parts[0], parts[1:])


def assert_features(found: VisualTokens, expected: VisualTokens) -> None:
    assert torch.equal(found.embeds, expected.embeds)
    assert torch.equal(found.deepstack, expected.deepstack)


def test_features_come_back_with_their_rows() -> None:
    pool = KVPool(SHAPE, rows=8)
    rows = pool.allocate(3)
    pool.attach(rows)
    visual = features_of(3)
    pool.write_features(units(pool, rows), visual)
    assert_features(pool.features(units(pool, rows)), visual)
    found = pool.features(units(pool, rows[::-1]))
    assert torch.equal(found.embeds, visual.embeds.flip(0))
    assert torch.equal(found.deepstack, visual.deepstack.flip(1))


def test_rows_of_text_take_no_room_for_features() -> None:
    pool = KVPool(SHAPE, rows=64)
    text, visual = pool.allocate(20), pool.allocate(8)
    assert pool.used == 28
    pool.attach(visual)
    # The features of two visual tokens fit a row.
    assert pool.row.page_features == 2 * pool.row.page_rows
    assert pool.used == 28 + 4
    assert (pool.slots(text) == -1).all() and (pool.slots(visual) >= 0).all()


def test_a_recomputed_token_shares_the_features_of_the_old_one() -> None:
    pool = KVPool(SHAPE, rows=64)
    old = pool.allocate(4)
    pool.attach(old)
    pool.write_features(units(pool, old), features_of(4))
    new, used = pool.allocate(4), pool.used
    pool.bind(new, pool.slots(old))
    assert pool.used == used
    pool.release(old)
    assert_features(pool.features(units(pool, new)), features_of(4))
    pool.release(new)
    assert pool.used == 0


shapes = st.builds(
    KVShape,
    layers=st.integers(1, 5),
    kv_heads=st.integers(1, 2),
    head_dim=st.sampled_from([4, 8]),
    hidden=st.sampled_from([4, 12, 40]),
    deepstack=st.integers(0, 3),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    device=st.just(torch.device("cpu")),
)


@given(
    shape=shapes,
    packed=st.booleans(),
    steps=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=20),
)
def test_features_of_any_shape_outlive_growth_sharing_swaps_and_neighbours(
    shape: KVShape, packed: bool, steps: list[tuple[int, int]]
) -> None:
    pool, tokens = KVPool(shape, rows=4, packed=packed), list[tuple[np.ndarray, VisualTokens]]()
    text = list[np.ndarray]()
    for number, (count, which) in enumerate(steps):
        if which < 4 or not tokens:
            rows, visual = pool.allocate(count), features_of(count, float(number), shape)
            text.append(pool.allocate(1))
            pool.attach(rows)
            pool.write_features(units(pool, rows), visual)
            tokens.append((rows, visual))
        elif which < 6:
            rows, visual = tokens[which % len(tokens)]
            new = pool.allocate(len(rows))
            pool.bind(new, pool.slots(rows))
            tokens.append((new, visual))
        elif which < 8:
            rows, visual = tokens.pop(which % len(tokens))
            saved = pool.save(rows)
            pool.release(rows)
            tokens.append((pool.restore(saved), visual))
        else:
            pool.release(tokens.pop(which % len(tokens))[0])
        fill_text(pool, text)
        pool.check_integrity([*text, *(rows for rows, _ in tokens)])
        for rows, visual in tokens:
            assert_features(pool.features(units(pool, rows)), visual)
    for rows in [*text, *(rows for rows, _ in tokens)]:
        pool.release(rows)
    assert pool.used == 0


def fill_text(pool: KVPool, text: list[np.ndarray]) -> None:
    block = torch.full((pool.shape.kv_heads, 1, pool.shape.head_dim), 3.0, dtype=pool.shape.dtype)
    for rows in text:
        for layer in range(pool.shape.layers):
            pool.write(layer, torch.from_numpy(rows), block, -block)


def test_features_that_find_no_room_leave_everything_as_it_was() -> None:
    pool = KVPool(SHAPE, rows=2, limit=6)
    rows = pool.allocate(4)
    with pytest.raises(PoolExhaustedError):
        pool.attach(np.concatenate([rows, pool.allocate(2)]))
    pool.check_integrity([rows, np.array([4, 5])])
    saved = pool.save(rows)
    with pytest.raises(PoolExhaustedError):
        pool.restore(saved)
    pool.check_integrity([rows, np.array([4, 5])])


def test_features_that_are_held_outlive_their_rows() -> None:
    pool = KVPool(SHAPE, rows=16)
    rows = pool.allocate(3)
    pool.attach(rows[:2])
    pool.write_features(units(pool, rows[:2]), features_of(2))
    slots = pool.slots(rows)
    pool.retain_slots(slots)
    pool.release(rows)
    pool.check_integrity([], [slots])
    saved = pool.save_features(slots)
    pool.release_slots(slots)
    assert pool.used == 0 and len(saved) == 3
    slots = pool.restore_features(saved)
    assert slots[2] == -1
    new = pool.allocate(2)
    pool.bind(new, slots[:2])
    pool.release_slots(slots)
    assert_features(pool.features(units(pool, new)), features_of(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_eight_bits_are_off_by_half_a_step_of_each_head_of_each_row(dtype: torch.dtype) -> None:
    pool = KVPool(replace(SHAPE, dtype=dtype, head_dim=16), rows=16, packed=True)
    rows, generator = torch.from_numpy(pool.allocate(12)), torch.Generator().manual_seed(0)
    # Heads and rows of very different size, and one row of nothing.
    size = torch.logspace(-2, 2, 24).view(2, 12, 1)
    keys, values = (torch.randn(2, 12, 16, generator=generator) * size for _ in range(2))
    keys[:, 3] = 0
    keys, values = keys.to(dtype), values.to(dtype)
    pool.write(1, rows, keys, values)
    for found, exact in zip(pool.gather(1, rows, None), (keys, values), strict=True):
        assert found.dtype == dtype
        steps = exact.float().abs().amax(dim=-1, keepdim=True) / 127
        # The scale is rounded to a float16, and what comes back to its type.
        off = 0.51 + 127 * (2**-11 + torch.finfo(dtype).eps)
        assert ((found.float() - exact.float()).abs() <= off * steps).all()
    pool.check_integrity([rows.numpy()])


def test_eight_bits_are_rotated_once_they_are_numbers_again(model: ModelAdapter) -> None:
    pool, shape = KVPool(model.kv_shape, packed=True), model.kv_shape
    rows = torch.from_numpy(pool.allocate(3))
    keys = torch.randn(shape.kv_heads, 3, shape.head_dim)
    pool.write(0, rows, keys, keys)
    turn = model.rotation(torch.full((3,), 700))
    still, moved = (pool.gather(0, rows, by)[0].transpose(0, 1) for by in (None, turn))
    assert torch.equal(moved, turn.apply(still))


def test_a_value_that_is_not_finite_is_found_in_eight_bits_as_well() -> None:
    pool = KVPool(SHAPE, rows=4, packed=True)
    rows = pool.allocate(2)
    fill(pool, rows, float("inf"))
    with pytest.raises(IntegrityError, match="not finite"):
        pool.check_integrity([rows])


def test_on_a_gpu_a_pool_with_a_limit_takes_its_memory_at_once() -> None:
    gpu = replace(SHAPE, device=torch.device("meta"))
    assert KVPool(gpu, limit=5000).capacity == 5000
    assert KVPool(gpu).capacity == 1024
    assert KVPool(SHAPE, limit=5000).capacity == 1024


def test_a_pool_that_there_is_no_memory_for_is_refused_in_a_sentence() -> None:
    with pytest.raises(PoolExhaustedError, match="there is no memory for a KV pool of"):
        KVPool(SHAPE, rows=1 << 50)


def test_wrong_counts_and_broken_values_are_found() -> None:
    pool = KVPool(SHAPE, rows=8)
    rows = pool.allocate(2)
    with pytest.raises(IntegrityError, match="referred to 0 times and counted 1"):
        pool.check_integrity([])
    fill(pool, rows, float("nan"))
    with pytest.raises(IntegrityError, match="not finite"):
        pool.check_integrity([rows])
