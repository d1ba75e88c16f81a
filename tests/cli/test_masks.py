"""``--mask``: what no model sees, as it is written on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from costream.cli.corners import parse_corners
from costream.errors import SettingsError
from tests.cli.conftest import Command

SMALL = ("--window", 4, "--stride", 2, "--frame-size", "128x96", "--json")
LEFT, CORNER = "0,0 0.5,0 0.5,1 0,1", "0.75,0.75  1,0.75 1,1 0.75,1"


def full_tokens(out: str) -> list[int]:
    return [json.loads(line)["tokens"]["full"] for line in out.splitlines()]


def test_masks_leave_less_to_see(costream: Command, camera: Path, checkpoint: Path) -> None:
    options = ("--ask", "Is it?", "--model", checkpoint, *SMALL)
    plain = costream("run", camera, *options)
    masked = costream("run", camera, "--mask", LEFT, "--mask", CORNER, *options)
    assert (masked.status, masked.err) == (0, "")
    # 4 x 3 groups: the two columns of the left half, and the corner's one.
    for whole, left in zip(full_tokens(plain.out), full_tokens(masked.out), strict=True):
        assert left == whole * 5 // 12


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("0,0 1,0", "mask 1 has 2 corners"),
        ("", "mask 1 has 0 corners"),
        ("0,0 1,0 1,2", "from 0 to 1"),
        ("0,0 1,0 1", "not of the form x,y x,y x,y"),
        ("0,0 1,0 1,b", "not of the form x,y x,y x,y"),
    ],
)
def test_what_is_no_mask_is_told(costream: Command, camera: Path, mask: str, message: str) -> None:
    result = costream("run", camera, "--ask", "Is it?", "--mask", mask)
    assert result.status == 1
    assert message in " ".join(result.err.split())


def test_corners_are_read() -> None:
    assert parse_corners(" 0,0 1,0.5\t.25,1 ") == ((0.0, 0.0), (1.0, 0.5), (0.25, 1.0))
    with pytest.raises(SettingsError, match="'left'"):
        parse_corners("left")
