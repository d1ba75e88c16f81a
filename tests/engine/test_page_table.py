from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from costream.engine.page_table import PageTable


@given(steps=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20))
def test_slots_keep_their_entries_while_the_window_slides(steps: list[tuple[int, int]]) -> None:
    table, expected, row = PageTable(), dict[int, tuple[int, int]](), 0
    for new, gone in steps:
        rows = np.arange(row, row + new)
        expected |= {table.end + n: (row + n, 2 * (row + n)) for n in range(new)}
        table, row = table.appended(rows, 2 * rows), row + new
        first = min(table.first + gone, table.end)
        table = table.since(first)
        expected = {slot: entry for slot, entry in expected.items() if slot >= first}
        assert table.first == first and table.end == first + len(expected)
        found = table.entries(first, len(expected))
        assert list(zip(*(part.tolist() for part in found), strict=True)) == list(expected.values())


def test_replacing_entries_leaves_the_old_table_as_it_was() -> None:
    old = PageTable(10, np.arange(4), np.arange(4))
    new = old.replaced(12, np.array([7]), np.array([0]))
    assert old.rows.tolist() == [0, 1, 2, 3]
    assert (new.rows.tolist(), new.distances.tolist()) == ([0, 1, 7, 3], [0, 1, 0, 3])
