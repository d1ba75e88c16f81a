"""Quantities as users write them: memory, shares and cameras."""

from __future__ import annotations

import re

from costream.engine.camera import Camera
from costream.errors import SettingsError

DEFAULT_AUDIT = "1%"
"""What is checked where a bound of disagreement is asked for, and nothing is said of checking."""

_UNITS = {
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
}

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?b)", re.IGNORECASE | re.ASCII)

_SHARE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(%?)", re.ASCII)

_CAMERA = re.compile(r"(\d{1,6})x(\d{1,6})@(\d{1,4}(?:\.\d+)?)", re.IGNORECASE | re.ASCII)


def parse_memory(text: str) -> int:
    """Reads an amount of memory, such as ``24GiB``: bytes.

    GiB and its like are powers of 1024, GB and its like of 1000.

    Raises:
        SettingsError: it is not of that form, or nothing.
    """
    found = _MEMORY.fullmatch(text.strip())
    amount = int(float(found[1]) * _UNITS[found[2].lower()]) if found else 0
    if amount < 1:
        raise SettingsError(
            f"memory {text!r} is no number with a unit: write such as 24GiB (1024**3 bytes each), "
            "24GB (10**9) or 24000MB"
        )
    return amount


def parse_camera(text: str) -> Camera:
    """Reads a kind of camera, such as ``1920x1080@25``.

    Raises:
        SettingsError: it is not of that form, or has no pixel or no frame.
    """
    found = _CAMERA.fullmatch(text.strip())
    camera = Camera(int(found[1]), int(found[2]), float(found[3])) if found else Camera(0, 0, 0)
    if not (camera.width and camera.height and camera.fps):
        raise SettingsError(
            f"source {text!r} is not of the form WIDTHxHEIGHT@FPS, such as 1920x1080@25"
        )
    return camera


def parse_share(text: str) -> float:
    """Reads a share such as ``1%`` or ``0.01``: over 0 and up to 1.

    Raises:
        SettingsError: it is not of that form, or out of range.
    """
    found = _SHARE.fullmatch(text.strip())
    share = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < share <= 1:
        raise SettingsError(f"share {text!r} is none: write such as 1% or 0.01, up to 100%")
    return share


def parse_steering(
    audit: str | None, max_disagreement: str | None, budget: str | None
) -> dict[str, float | None]:
    """Reads what says how much care streams are treated with, as settings of the engine.

    Raises:
        SettingsError: one of them is no share.
    """
    share = audit or (DEFAULT_AUDIT if max_disagreement else None)
    given = {"audit": share, "max_disagreement": max_disagreement, "budget": budget}
    return {name: None if text is None else parse_share(text) for name, text in given.items()}


def binary_size(amount: float) -> str:
    """Returns bytes in GiB with two digits, or in MiB or KiB where there are less than a tenth."""
    for power, unit in ((3, "GiB"), (2, "MiB")):
        if amount >= 0.1 * 1024**power:
            return f"{amount / 1024**power:.2f} {unit}"
    return f"{amount / 1024:.2f} KiB"
