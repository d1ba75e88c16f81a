"""Names to classes: one mechanism for pruners, refresh policies and model families.

A registry feeds the command line's choices and the benchmark's rows, so that a baseline is a
configuration of the same engine and not a fork of it. Other packages add to it by entry points.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from typing import Any, Generic, TypeVar

from costream.errors import SettingsError

T = TypeVar("T")

logger = logging.getLogger("costream")


class Registry(Generic[T]):
    """Maps public names to classes, in the order in which they were registered.

    Classes of other packages come behind those of this one. Their entry points are found without
    importing anything; a class is imported when it is asked for by its name.

    Args:
        noun: what is registered, for messages.
        base: what every registered class derives from.
        group: the group of entry points by which other packages register theirs.
        needs: attributes of the class itself that ``base`` only declares.
    """

    def __init__(self, noun: str, base: type[Any], group: str, needs: Sequence[str] = ()) -> None:
        self._noun = noun
        self._base = base
        self._group = group
        self._needs = needs
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator: makes the class available as ``name``."""

        def add(cls: type[T]) -> type[T]:
            if name in self._classes:
                raise ValueError(f"{self._noun} {name!r} is registered twice")
            self._classes[name] = cls
            return cls

        return add

    def usable(self) -> Iterator[tuple[str, type[T]]]:
        """Yields names and classes; of another package's that is broken it says so instead."""
        for name in list(self):
            try:
                cls = self[name]
            except SettingsError as error:
                logger.warning("%s", error)
                continue
            yield name, cls

    def __getitem__(self, name: str) -> type[T]:
        """Returns the class registered as ``name``.

        Raises:
            SettingsError: no class has that name, and the message lists those that there are; or it
                is that of another package, which is broken.
        """
        if name in self._classes:
            return self._classes[name]
        if name in self._plugins:
            return self._load(self._plugins[name])
        known = ", ".join(self)
        raise SettingsError(f"unknown {self._noun} {name!r}: choose one of {known}")

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._classes, *self._plugins]))

    def __contains__(self, name: object) -> bool:
        return name in self._classes or name in self._plugins

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        """What other packages register, by name. A name that is taken is told, once, and left."""
        found: dict[str, EntryPoint] = {}
        for entry in entry_points(group=self._group):
            if entry.name in self._classes or entry.name in found:
                logger.warning(
                    "%s registers the %s %r, a name that is taken: it is not used",
                    _package(entry),
                    self._noun,
                    entry.name,
                )
            else:
                found[entry.name] = entry
        return found

    def _load(self, entry: EntryPoint) -> type[T]:
        try:
            cls = entry.load()
        except Exception as error:  # a plug-in may fail in any way
            raise SettingsError(
                f"the {self._noun} {entry.name!r} of {_package(entry)} can't be loaded, "
                f"{type(error).__name__}: {_first_line(error)}; repair that package or uninstall it"
            ) from error
        if problem := self._problem(cls):
            raise SettingsError(
                f"the {self._noun} {entry.name!r} of {_package(entry)} can't be used: "
                f"{entry.value} {problem}"
            )
        self._classes[entry.name] = cls
        return self._classes[entry.name]

    def _problem(self, cls: object) -> str | None:
        """Returns what keeps what another package registers from being used."""
        if not (isinstance(cls, type) and issubclass(cls, self._base)):
            return f"is no class that derives from {self._base.__name__}"
        if isabstract(cls):
            return f"lacks {', '.join(sorted(getattr(cls, '__abstractmethods__', ())))}"
        missing = [name for name in self._needs if not hasattr(cls, name)]
        return f"lacks {', '.join(missing)}" if missing else None


def _package(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name}" if entry.dist else entry.value


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "it does not say why").splitlines()[0]
