from __future__ import annotations

import pytest

from costream.cli.quantities import binary_size, parse_camera, parse_memory
from costream.engine.camera import Camera
from costream.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("24GiB", 24 * 2**30),
        ("24GB", 24 * 10**9),
        ("24000MB", 24 * 10**9),
        ("512mib", 2**29),
        ("1.5 TiB", 3 * 2**39),
        ("0.5kb", 500),
    ],
)
def test_memory_is_read_with_its_unit(text: str, amount: int) -> None:
    assert parse_memory(text) == amount


@pytest.mark.parametrize(
    "text", ["24", "24G", "24 GiBs", "GiB", "-1GiB", "0GiB", "1e3GiB", "24Gb/s", "٢GiB", ""]
)
def test_memory_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="write such as 24GiB"):
        parse_memory(text)


def test_a_camera_is_read() -> None:
    assert parse_camera("1920x1080@25") == Camera(1920, 1080, 25)
    assert parse_camera("640X360@12.5") == Camera(640, 360, 12.5)
    assert str(parse_camera("640x360@12.50")) == "640x360@12.5"


@pytest.mark.parametrize("text", ["1920x1080", "1920x1080@", "0x1080@25", "8x8@0", "a.mp4", ""])
def test_a_camera_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="not of the form WIDTHxHEIGHT@FPS"):
        parse_camera(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (24 * 2**30, "24.00 GiB"),
        (0.1 * 2**30, "0.10 GiB"),
        (0.09 * 2**30, "92.16 MiB"),
        (2**20 / 20, "51.20 KiB"),
        (0, "0.00 KiB"),
    ],
)
def test_memory_is_written_with_two_digits(amount: float, text: str) -> None:
    assert binary_size(amount) == text
