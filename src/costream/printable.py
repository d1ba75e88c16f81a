"""Text from outside, names and prose, made safe to show."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    r"""Returns a name, or a sentence with names in it, with what a terminal would act on escaped.

    Escaped as Python does, such as ``\x1b``, are control characters, line ends, marks that turn the
    direction of writing, and bytes of a file's name that are no UTF-8. The rest stays as it is.
    """
    return "".join(map(_printable, text))


def one_line(text: str) -> str:
    """Returns prose, such as a question, on one line: control characters become spaces.

    Marks that join letters or turn the direction of writing belong to prose and stay.
    """
    return "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # how Python keeps a byte that it could not decode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
