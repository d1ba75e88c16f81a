"""The text of a reply, from its tokens, as far as it can be told already."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What a character decodes to of which not all bytes are there yet."""


class Transcript:
    """Turns tokens into pieces of text, and ends before a stop.

    Args:
        decode: returns the text of tokens.
        stops: texts before which it ends.

    Attributes:
        ids: the tokens.
        stopped: whether a stop was written.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> None:
        self.ids: list[int] = []
        self.stopped = False
        self._decode = decode
        self._stops = stops
        self._told = 0

    def add(self, token: int) -> str:
        """Adds a token; returns the text that can be told now, without what may begin a stop."""
        self.ids.append(token)
        text = self._decode(self.ids).rstrip(_UNFINISHED)
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            return self._tell(text[: min(found)])
        return self._tell(text[: len(text) - self._held(text)])

    def finish(self) -> str:
        """Returns the rest, of a text that goes no further."""
        return "" if self.stopped else self._tell(self._decode(self.ids))

    def _held(self, text: str) -> int:
        """How many characters at the end may be the beginning of a stop."""
        longest = max(map(len, self._stops), default=1) - 1
        ends = (text[-n:] for n in range(min(longest, len(text)), 0, -1))
        return next((len(end) for end in ends if any(s.startswith(end) for s in self._stops)), 0)

    def _tell(self, text: str) -> str:
        piece = text[self._told :]
        self._told = max(self._told, len(text))
        return piece
