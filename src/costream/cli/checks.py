"""What can be told to be wrong of a command line before anything heavy is loaded."""

from __future__ import annotations

import os
from math import inf
from pathlib import Path

import typer

from costream.errors import SettingsError, SourceError
from costream.video.source import is_file, masked

DTYPES = ("float32", "bfloat16", "float16")
"""Types of weights and cache, by the names that torch has for them."""


def check_source(source: str) -> None:
    """Checks that a source that is a file is there to be read. Opening it tells the rest.

    Raises:
        SourceError: it is not there, is a directory, or must not be read.
    """
    if not source:
        raise SourceError("the name of the source is empty: name a file, a URL, or - for a pipe")
    if not is_file(source):
        return
    path = Path(source[len("file://") :] if source.lower().startswith("file://") else source)
    try:
        path.stat()
    except (OSError, ValueError) as error:
        raise SourceError(f"can't open {masked(source)}: {_reason(error)}") from None
    if path.is_dir():
        raise SourceError(f"can't open {masked(source)}: it is a directory")
    if not os.access(path, os.R_OK):
        raise SourceError(f"can't open {masked(source)}: permission denied")


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


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]
