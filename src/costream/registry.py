"""Names to classes: one mechanism for pruners, refresh policies and model families.

A registry feeds the command line's choices and the benchmark's rows, so that a baseline is a
configuration of the same engine and not a fork of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from costream.errors import SettingsError

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps public names to classes, in the order in which they were registered."""

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator: makes the class available as ``name``."""

        def add(cls: type[T]) -> type[T]:
            if name in self._classes:
                raise ValueError(f"{self._noun} {name!r} is registered twice")
            self._classes[name] = cls
            return cls

        return add

    def __getitem__(self, name: str) -> type[T]:
        """Returns the class registered as ``name``.

        Raises:
            SettingsError: no class has that name; the message lists those that there are.
        """
        try:
            return self._classes[name]
        except KeyError:
            known = ", ".join(self._classes)
            raise SettingsError(f"unknown {self._noun} {name!r}: choose one of {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __contains__(self, name: object) -> bool:
        return name in self._classes
