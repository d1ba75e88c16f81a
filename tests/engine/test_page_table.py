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


@given(
    entries=st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=20),
)
def test_others_follow_the_last_recomputed_token_before_them(
    entries: list[tuple[int, bool]],
) -> None:
    rows = np.array([row for row, _ in entries])
    chosen = np.array([mask for _, mask in entries])
    distances = np.array([int((rows[:n] == row).sum()) for n, row in enumerate(rows)])
    before = PageTable(7, rows, distances)
    new_rows, new_distances = rows.copy(), distances.copy()
    new_rows[chosen], new_distances[chosen] = 100 + np.flatnonzero(chosen), 0
    after = PageTable(7, new_rows, new_distances).following(before, chosen)
    for slot, row in enumerate(rows):
        leaders = [n for n in range(slot + 1) if chosen[n] and rows[n] == row]
        if leaders:
            expected = 100 + leaders[-1], distances[slot] - distances[leaders[-1]]
        else:
            expected = row, distances[slot]
        assert (after.rows[slot], after.distances[slot]) == expected
