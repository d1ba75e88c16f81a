"""Whole numbers in as few bytes as they need: seven bits a byte, the lowest first."""

from __future__ import annotations

from costream.errors import SettingsError

LARGEST_REAL = 1e9
"""Of seconds, and of what is counted by the second: 31 years."""

_LONGEST = 10
"""Bytes of a number of 64 bits."""


def put(target: bytearray, number: int) -> None:
    """Appends a number that is not negative."""
    while number > 0x7F:
        target.append(number & 0x7F | 0x80)
        number >>= 7
    target.append(number)


def put_signed(target: bytearray, number: int) -> None:
    """Appends a number of either sign: small ones of both take few bytes."""
    put(target, -2 * number - 1 if number < 0 else 2 * number)


class Numbers:
    """Reads what was put, from the start of some bytes on.

    Attributes:
        at: where it has come to.
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    @property
    def rest(self) -> bytes:
        """What was not read."""
        return self.data[self.at :]

    def take(self, length: int) -> bytes:
        """Returns so many bytes.

        Raises:
            SettingsError: there are not as many.
        """
        found = self.data[self.at : self.at + length]
        if len(found) < length:
            raise _short()
        self.at += length
        return found

    def number(self, most: int = (1 << 63) - 1) -> int:
        """Returns a number.

        Raises:
            SettingsError: there is none, or it is larger than ``most``.
        """
        found = 0
        for shift in range(_LONGEST):
            if self.at >= len(self.data):
                raise _short()
            byte = self.data[self.at]
            self.at += 1
            found |= (byte & 0x7F) << 7 * shift
            if byte < 0x80:
                break
        if found > most:
            raise SettingsError(f"a record holds the number {found} where {most} is the largest")
        return found

    def signed(self) -> int:
        """Returns a number of either sign.

        Raises:
            SettingsError: there is none.
        """
        found = self.number()
        return -(found + 1) // 2 if found & 1 else found // 2


def _short() -> SettingsError:
    return SettingsError("a record ends before what it says it holds: send it as docs/push.md says")
