"""Questions as users write them, checked before a model is there to be asked. Without torch."""

from __future__ import annotations

from collections.abc import Sequence

from costream.errors import SettingsError


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
