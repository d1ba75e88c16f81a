"""``--threshold``: from which score on an answer is a yes, for all questions or for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from costream.engine.wording import meaning
from costream.errors import SettingsError

FORM = "a number from 0 to 1, or one of the questions, = and such a number"


def parse_thresholds(texts: Sequence[str], asks: Sequence[str]) -> dict[str, Any]:
    """Returns the settings that the options mean, none for none.

    Args:
        texts: ``0.7`` for all questions, ``Is there smoke?=0.3`` for one that is asked; a question
            is found by its meaning.
        asks: the questions.

    Raises:
        SettingsError: an option is of neither form, names no question that is asked, or says again
            what another one said.
    """
    found: dict[str | None, float] = {}
    for text in texts:
        ask, number = _split(text)
        name = None if ask is None else _asked(ask, asks)
        if name in found:
            whose = "all questions" if name is None else repr(name)
            raise SettingsError(f"the threshold of {whose} is given twice: keep one")
        found[name] = number
    common = found.pop(None, None)
    return {
        **({} if common is None else {"threshold": common}),
        **({"thresholds": found} if found else {}),
    }


def _split(text: str) -> tuple[str | None, float]:
    ask, equals, number = text.rpartition("=")
    try:
        return (ask if equals else None), float(number)
    except ValueError:
        raise SettingsError(f"threshold {text!r} is not {FORM}") from None


def _asked(ask: str, asks: Sequence[str]) -> str:
    for asked in asks:
        if meaning(asked) == meaning(ask):
            return asked
    raise SettingsError(f"the threshold of {ask!r} is given, which is not asked: --ask it as well")
