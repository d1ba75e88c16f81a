"""Durations and sizes, as people write them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

LONGEST = 100 * 366 * 86400.0
"""Seconds of the longest duration: calendars and clocks still know what lies so far away."""

LONGEST_TIMEOUT = 86400.0
"""Seconds of the longest time-out: the system counts the milliseconds of a wait in 31 bits."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "": 1,
    "b": 1,
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
}


def parse_seconds(value: Any) -> Any:
    """Reads a duration such as ``90s`` or ``1h``; leaves numbers and all else to validation.

    Raises:
        ValueError: it is text of no such form.
    """
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", value, re.ASCII)
    if not found:
        raise ValueError("write a duration as seconds, or such as 90s, 5m, 12h, 30d")
    return float(found[1]) * _SECONDS[found[2] or "s"]


def parse_bytes(value: Any) -> Any:
    """Reads an amount of data such as ``20GiB``; leaves numbers and all else to validation.

    Raises:
        ValueError: it is text of no such form.
    """
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b)?\s*", value.lower(), re.ASCII)
    if not found or (found[2] or "") not in _BYTES:
        raise ValueError("write an amount of data as bytes, or such as 500MB, 20GiB")
    return int(float(found[1]) * _BYTES[found[2] or ""])


def _written(number: str, units: str) -> WithJsonSchema:
    """Returns what JSON schemas say of a number that may be written with a unit."""
    text = rf"^\s*\d+(\.\d+)?\s*({units})?\s*$"
    choices = [{"type": number, "minimum": 0}, {"type": "string", "pattern": text}]
    return WithJsonSchema({"anyOf": choices}, mode="validation")


Seconds = Annotated[
    float,
    BeforeValidator(parse_seconds),
    Field(ge=0, le=LONGEST, allow_inf_nan=False),
    _written("number", "ms|s|m|h|d"),
]
Timeout = Annotated[Seconds, Field(le=LONGEST_TIMEOUT)]
Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    Field(ge=1),
    _written("integer", "[kKmMgGtT]?[iI]?[bB]"),
]
