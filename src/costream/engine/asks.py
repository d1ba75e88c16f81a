"""Questions as users write them, checked before a model is there to be asked. Without torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from costream.errors import SettingsError

MOST_ZONES = 62
"""Zones that are asked about at a time, at most: a bit of an int64 each."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question, and what of the picture it is asked about.

    Attributes:
        text: the question.
        zone: name of a zone of the stream's view, or None for the whole picture.
        levels: scores in 0..1 from which on somebody is alerted, beside the engine's threshold.
            Where answers are confirmed, they are at each of them.
    """

    text: str
    zone: str | None = None
    levels: tuple[float, ...] = ()

    @property
    def key(self) -> tuple[str, str | None]:
        """What is asked about what, whoever is alerted."""
        return self.text, self.zone


def checked_asks(asks: Sequence[str]) -> list[str]:
    """Returns questions without the white space around them.

    Raises:
        SettingsError: there is no question, one is empty, or one is not valid Unicode.
    """
    found = [ask.strip() for ask in asks]
    if not found:
        raise SettingsError("there is no question: ask at least one")
    for ask in found:
        _check(ask)
    return found


def zoned_asks(asks: Sequence[str | Ask], zones: Collection[str]) -> tuple[Ask, ...]:
    """Returns questions, each with its zone if it has one.

    Args:
        asks: the questions.
        zones: names of the zones that there are.

    Raises:
        SettingsError: there is no question, one is empty or not valid Unicode, or asks about a zone
            that is not there; too many zones are asked about.
    """
    found = [ask if isinstance(ask, Ask) else Ask(ask) for ask in asks]
    named = {ask.zone for ask in found if ask.zone is not None}
    for zone in sorted(named.difference(zones)):
        known = f"choose one of {', '.join(zones)}" if zones else "this stream has no zones"
        raise SettingsError(f"unknown zone {zone!r}: {known}")
    if len(named) > MOST_ZONES:
        raise SettingsError(f"at most {MOST_ZONES} zones can be asked about, not {len(named)}")
    texts = checked_asks([ask.text for ask in found])
    return tuple(replace(ask, text=text) for text, ask in zip(texts, found, strict=True))


def _check(ask: str) -> None:
    if not ask:
        raise SettingsError("a question is empty: say what to look for")
    try:
        ask.encode()
    except UnicodeEncodeError:
        # Bytes of a command line that its locale can't read arrive as lone surrogates.
        raise SettingsError(
            f"the question {ask!a} is not valid Unicode: "
            "write it in the terminal's encoding, or set LC_ALL=C.UTF-8 and write UTF-8"
        ) from None
