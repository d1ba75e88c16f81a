"""Identifiers that sort by time: 48 bits of milliseconds and 80 random ones (ULID)."""

from __future__ import annotations

import re
import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26
_RANDOM_BITS = 80
_LAST = 2**48 - 1
_ULID = re.compile(f"[0-7][{_ALPHABET}]{{{_LENGTH - 1}}}")


def new_ulid(at: float) -> str:
    """Returns a new identifier of a moment, in seconds since 1970."""
    milliseconds = min(max(int(at * 1000), 0), _LAST)
    number = milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))


def is_ulid(text: str) -> bool:
    """Whether a text is written as an identifier."""
    return _ULID.fullmatch(text) is not None
