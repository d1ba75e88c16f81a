"""Text that people write, without what databases, terminals and models take for no text."""

from __future__ import annotations

import unicodedata

from pydantic import AfterValidator

_LAYOUT = frozenset("\t\n\r")


def checked_line(text: str) -> str:
    """Returns a text that is on one line.

    Raises:
        ValueError: it holds a control character; PostgreSQL, for one, takes no NUL.
    """
    return _checked(text, frozenset())


def checked_prose(text: str) -> str:
    """Returns a text that may be on several lines.

    Raises:
        ValueError: likewise, but for tabs and line ends.
    """
    return _checked(text, _LAYOUT)


def _checked(text: str, allowed: frozenset[str]) -> str:
    for character in text:
        if unicodedata.category(character) == "Cc" and character not in allowed:
            raise ValueError(f"it holds {character!a}, which is no text: leave it out")
    return text


LINE = AfterValidator(checked_line)
PROSE = AfterValidator(checked_prose)
"""For annotations, behind the bounds of the text's length."""
