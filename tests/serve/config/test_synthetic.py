"""What the URL of a synthetic camera says."""

from __future__ import annotations

import pytest

from costream.errors import SettingsError
from costream.serve.config.synthetic import parse_synthetic
from costream.video.provenance import is_synthetic


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("synthetic:fall", ("fall", 0)),
        ("synthetic:quiet:7", ("quiet", 7)),
        ("synthetic:programme:12", ("programme", 12)),
    ],
)
def test_what_a_url_says(url: str, found: tuple[str, int]) -> None:
    assert parse_synthetic(url) == found
    assert is_synthetic(url)


@pytest.mark.parametrize("rest", ["picnic", "", "fall:x", "fall:-1"])
def test_what_it_can_t_say(rest: str) -> None:
    with pytest.raises(SettingsError, match="synthetic camera"):
        parse_synthetic(f"synthetic:{rest}")
