from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from costream.engine.kv_pool import KVPool
from costream.errors import IntegrityError, PoolExhaustedError
from costream.models import KVShape, ModelAdapter, VisualTokens

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
    with pytest.raises(PoolExhaustedError, match="rows free of 5, and a window takes 2"):
        pool.allocate(2)
    pool.check_integrity([rows])
    assert pool.capacity <= 5
    assert len(pool.allocate(1)) == 1


def test_memory_is_rows_of_keys_values_and_features() -> None:
    pool = KVPool(SHAPE, rows=10)
    assert SHAPE.row_bytes == 4 * (2 * 2 * 2 * 4 + 2 * 6)
    assert pool.bytes == 10 * SHAPE.row_bytes


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


def test_features_come_back_with_their_rows() -> None:
    pool = KVPool(SHAPE, rows=8)
    rows = torch.from_numpy(pool.allocate(3))
    visual = VisualTokens(torch.arange(18.0).view(3, 6), 100 + torch.arange(18.0).view(1, 3, 6))
    pool.write_features(rows, visual)
    found = pool.features(rows.flip(0))
    assert torch.equal(found.embeds, visual.embeds.flip(0))
    assert torch.equal(found.deepstack, visual.deepstack.flip(1))


def test_wrong_counts_and_broken_values_are_found() -> None:
    pool = KVPool(SHAPE, rows=8)
    rows = pool.allocate(2)
    with pytest.raises(IntegrityError, match="referred to 0 times and counted 1"):
        pool.check_integrity([])
    fill(pool, rows, float("nan"))
    with pytest.raises(IntegrityError, match="not finite"):
        pool.check_integrity([rows])
