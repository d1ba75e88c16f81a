"""Text of a reply, piece by piece."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from costream.engine.transcript import Transcript

TEXT = "A dog barks, naïvely: 犬が吠える 🐕‍🦺 ."


def decode(ids: Sequence[int]) -> str:
    """Bytes as tokens, as byte-level tokenizers have them."""
    return bytes(ids).decode(errors="replace").strip()


@given(stops=st.lists(st.text("ab ", min_size=1, max_size=3), max_size=3), text=st.text("ab c"))
def test_pieces_are_the_text_before_the_first_stop(stops: list[str], text: str) -> None:
    text = text.strip()
    transcript, told = Transcript(decode, stops), ""
    for token in text.encode():
        told += transcript.add(token)
        assert text.startswith(told) or any(stop in text for stop in stops)
        if transcript.stopped:
            break
    told += transcript.finish()
    ends = [text.find(stop) for stop in stops if stop in text]
    # A stop of spaces at the very end is not seen: an answer's text has none there.
    assert told == text[: min(ends, default=len(text))]


def test_no_half_of_a_character_is_told() -> None:
    transcript = Transcript(decode, [])
    pieces = [transcript.add(token) for token in TEXT.encode()]
    assert "".join(pieces) + transcript.finish() == TEXT
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)


def test_what_may_begin_a_stop_is_held_until_it_is_known() -> None:
    transcript = Transcript(decode, ["###"])
    pieces = [transcript.add(token) for token in b"a##b###c"[:7]]
    assert pieces == ["a", "", "", "##b", "", "", ""]
    assert transcript.stopped and transcript.finish() == ""
