"""What can be told to be wrong of a command line before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import typer

from costream.errors import SettingsError, SourceError
from costream.video.naming import masked, path_of
from costream.video.source import is_file
from costream.video.target import check_path

DTYPES = ("float32", "bfloat16", "float16")
"""Types of weights and cache, by the names that torch has for them."""

PACKED_DTYPE = "int8"
"""Type of keys and values that are stored in 8 bits."""


def check_source(source: str) -> None:
    """Checks that a source that is a file is there to be read. Opening it tells the rest.

    Raises:
        SourceError: it is not there, is empty or no file, or must not be read.
    """
    if not source:
        raise SourceError("the name of the source is empty: name a file, a URL, or - for a pipe")
    if is_file(source):
        check_path(path_of(source), masked(source))


def check_sources(sources: Sequence[str]) -> None:
    """Checks sources as :func:`check_source` does, and that standard input is one of them at most.

    Raises:
        SourceError: one can't be read.
        SettingsError: standard input is named twice.
    """
    for source in sources:
        check_source(source)
    if list(sources).count("-") > 1:
        raise SettingsError("standard input, -, can be watched only once")


def positive(param: typer.CallbackParam, value: float | None) -> float | None:
    """Checks an option's number, where one is given: as the option's ``callback``.

    Raises:
        SettingsError: it is not positive, or has no end.
    """
    if value is not None and not 0 < value < inf:
        raise SettingsError(f"{param.opts[0]} takes a positive number, not {value:g}")
    return value


def check_dtype(dtype: str | None) -> None:
    """Checks the name of a type of weights, where one is given.

    Raises:
        SettingsError: there is no such type.
    """
    if dtype is not None and dtype not in DTYPES:
        raise SettingsError(f"unknown dtype {dtype!r}: choose one of {', '.join(DTYPES)}")


def check_kv_dtype(dtype: str | None) -> None:
    """Checks the name of a type of stored keys and values, where one is given.

    Raises:
        SettingsError: there is no such type.
    """
    if dtype not in (None, PACKED_DTYPE):
        raise SettingsError(
            f"unknown type of keys and values {dtype!r}: choose {PACKED_DTYPE}, or leave it out "
            "for that of --dtype"
        )
