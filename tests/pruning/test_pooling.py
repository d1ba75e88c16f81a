import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from costream.pruning.pooling import centres, overlaps, pick_centre, pool_max
from costream.video.sample import BLOCK

lengths = st.integers(1, 200)
cell_counts = st.integers(1, 30)


def naive_overlaps(length: int, cells: int) -> list[list[int]]:
    """Every block that shares some open interval with the cell, by comparing fractions."""
    blocks = -(-length // BLOCK)
    return [
        [
            block
            for block in range(blocks)
            if block * BLOCK * cells < (cell + 1) * length
            and cell * length < (block + 1) * BLOCK * cells
        ]
        for cell in range(cells)
    ]


@given(lengths, cell_counts)
def test_overlap_table_equals_a_naive_search(length, cells):
    table = overlaps(length, cells)
    assert [sorted(set(row.tolist())) for row in table] == naive_overlaps(length, cells)


@given(lengths, cell_counts)
def test_centre_lies_within_its_block(length, cells):
    for cell, block in enumerate(centres(length, cells)):
        centre = (cell + 0.5) * length / cells
        assert block * BLOCK <= centre < (block + 1) * BLOCK


@given(st.data(), lengths, lengths, cell_counts, cell_counts)
def test_pool_max_equals_a_naive_loop(data, height, width, rows, cols):
    shape = (-(-height // BLOCK), -(-width // BLOCK))
    field = data.draw(hnp.arrays(np.float32, shape, elements=st.floats(0, 64, width=32)))
    pooled = pool_max(field, (height, width), (rows, cols))
    tall, wide = naive_overlaps(height, rows), naive_overlaps(width, cols)
    naive = [[max(field[r, c] for r in tall[i] for c in wide[j]) for j in range(cols)]
             for i in range(rows)]  # fmt: skip
    np.testing.assert_array_equal(pooled, np.array(naive, np.float32))


@given(st.data(), lengths, lengths, st.integers(1, 8), st.integers(1, 8), st.integers(1, 3))
def test_pooling_to_groups_equals_pooling_to_patches_first(data, height, width, rows, cols, merge):
    shape = (-(-height // BLOCK), -(-width // BLOCK))
    field = data.draw(hnp.arrays(np.bool_, shape))
    patches = pool_max(field, (height, width), (rows * merge, cols * merge))
    groups = patches.reshape(rows, merge, cols, merge).any(axis=(1, 3))
    np.testing.assert_array_equal(pool_max(field, (height, width), (rows, cols)), groups)


def test_centre_block_is_one_of_those_pooled():
    field = np.arange(12, dtype=np.float32).reshape(3, 4)
    picked = pick_centre(field, (40, 60), (5, 7))
    assert (picked <= pool_max(field, (40, 60), (5, 7))).all()
    assert picked[0, 0] == 0
    assert picked[-1, -1] == 11


@pytest.mark.parametrize("pool", [pool_max, pick_centre])
def test_a_field_of_another_picture_is_refused(pool):
    with pytest.raises(ValueError, match="blocks"):
        pool(np.zeros((3, 3), np.float32), (64, 64), (4, 4))


def test_tables_are_kept_and_can_not_be_written():
    assert overlaps(432, 28) is overlaps(432, 28)
    with pytest.raises(ValueError, match="read-only"):
        overlaps(432, 28)[0, 0] = 5
