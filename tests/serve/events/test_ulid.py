"""Identifiers sort by time and differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from costream.serve.events.ulid import is_ulid, new_ulid

MOMENTS = st.integers(0, 2**47).map(lambda milliseconds: milliseconds / 1000)


@given(MOMENTS, MOMENTS)
def test_identifiers_sort_by_time(one: float, other: float) -> None:
    if int(one * 1000) < int(other * 1000):
        assert new_ulid(one) < new_ulid(other)


def test_identifiers_of_one_moment_differ() -> None:
    ids = {new_ulid(1764380000.0) for _ in range(1000)}
    assert len(ids) == 1000
    assert all(is_ulid(id) for id in ids)


@given(st.text(max_size=30))
def test_other_texts_are_none(text: str) -> None:
    assert not is_ulid(text.lower() + "i")
