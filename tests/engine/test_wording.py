"""Spellings of one question are one, and two questions are never one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.engine.wording import meaning
from costream.lab.synth import EVENTS

ASKED = "Is someone's wrong-way car on fire?"


@pytest.mark.parametrize(
    "spelt",
    [
        "Is someone's wrong-way car on fire",
        "IS SOMEONE’S WRONG‐WAY CAR ON FIRE ?",
        "  is someone's\twrong way\ncar on fire?!",
        "“Is someone's wrong-way car on fire?”",
        "¿Is someone's wrong-way car on fire？",
        "Is someone's wrong-way car on \ufb01re?",
        "Is some\u00adone's wrong-way car on fire?\ufeff",
        "Is, someone's wrong-way car, on fire.",
    ],
)
def test_spellings_of_one_question(spelt: str) -> None:
    assert meaning(spelt) == meaning(ASKED)


def test_composed_and_decomposed_characters_are_one() -> None:
    assert meaning("Brennt das Caf\u00e9?") == meaning("brennt das Cafe\u0301")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is someone fighting?", "Is nobody fighting?"),
        ("Is someone fighting?", "Isn't someone fighting?"),
        ("Is it below -5 degrees?", "Is it below 5 degrees?"),
        ("Is it 1.5 m?", "Is it 15 m?"),
        ("Is it 1.5 m?", "Is it 1 5 m?"),
        ("Are there 1,000 people?", "Are there 1 000 people?"),
        ("Is it 10² m?", "Is it 102 m?"),
        ("Is it 1½ m?", "Is it 11/2 m?"),
        ("Is it 50% full?", "Is it 50 full?"),
        ("Is the persons bag open?", "Is the person's bag open?"),
        ("Is the dog on the man?", "Is the man on the dog?"),
        ("?", "!"),
    ],
)
def test_two_questions_are_two(one: str, other: str) -> None:
    assert meaning(one) != meaning(other)


@given(st.text())
def test_a_meaning_is_a_spelling_of_itself(ask: str) -> None:
    assert meaning(meaning(ask)) == meaning(ask)


def test_no_two_known_questions_are_one() -> None:
    asks = [ask for alarm in EVENTS.values() for ask in alarm.questions]
    assert len({meaning(ask) for ask in asks}) == len(asks)
