from __future__ import annotations

import pytest

from costream.cli.thresholds import parse_thresholds
from costream.errors import SettingsError

ASKS = ("Is there smoke?", "Is x = 5?", "Is someone fighting?")


@pytest.mark.parametrize(
    ("texts", "settings"),
    [
        ((), {}),
        (("0.7",), {"threshold": 0.7}),
        (("is there smoke=0.3",), {"thresholds": {"Is there smoke?": 0.3}}),
        (("Is x = 5?=0.3",), {"thresholds": {"Is x = 5?": 0.3}}),
        (
            ("0.7", "Is there smoke?=.3"),
            {"threshold": 0.7, "thresholds": {"Is there smoke?": 0.3}},
        ),
    ],
)
def test_a_threshold_is_for_all_questions_or_for_one(
    texts: tuple[str, ...], settings: dict[str, object]
) -> None:
    assert parse_thresholds(texts, ASKS) == settings


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("high",), "'high' is not a number from 0 to 1, or one of the questions"),
        (("Is there smoke?",), "is not a number"),
        (("Is there no smoke?=0.3",), "'Is there no smoke\\?' is given, which is not asked"),
        (("Is x = 5",), "the threshold of 'Is x ' is given, which is not asked"),
        (("0.3", "0.4"), "the threshold of all questions is given twice"),
        (("Is there smoke?=0.3", "is there smoke=0.4"), "'Is there smoke\\?' is given twice"),
    ],
)
def test_a_threshold_is_never_misread(texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_thresholds(texts, ASKS)
