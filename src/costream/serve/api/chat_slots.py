"""How many requests are served at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from costream.serve.api.chat_errors import ApiError


class Slots:
    """Lets so many in at a time, and turns others away. One event loop uses it.

    Args:
        most: how many.
        what: what they are, for whoever is turned away.
    """

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._taken = 0

    def take(self) -> None:
        """Takes a slot, which is given back by :meth:`give_back`.

        Raises:
            ApiError: all are taken.
        """
        if self._taken >= self._most:
            raise ApiError(
                429,
                f"{self._most} {self._what} are under way already: try again in a moment",
                code="rate_limit_exceeded",
                headers={"Retry-After": "2"},
            )
        self._taken += 1

    def give_back(self) -> None:
        """Gives a slot back."""
        self._taken -= 1

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds a slot."""
        self.take()
        try:
            yield
        finally:
            self.give_back()
