"""Text from outside, such as names of files and cameras, made safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Returns text with what a terminal would act on, or can't show, escaped.

    Escaped as Python does, such as ``\x1b``, are control characters, line ends, marks that turn the
    direction of writing, and bytes of a file's name that are no UTF-8. The rest stays as it is.
    """
    return "".join(map(_printable, text))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # how Python keeps a byte that it could not decode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
