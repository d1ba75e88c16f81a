"""Files that went wrong elsewhere: shared/inputs beside the checkout, which says what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

INPUTS = Path(__file__).parents[3] / "shared" / "inputs"


def shared_input(name: str) -> Path:
    """Returns one of them, or skips the test."""
    path = INPUTS / name
    if not path.is_file():
        pytest.skip(f"{name} is not here (shared/inputs beside the checkout)")
    return path
