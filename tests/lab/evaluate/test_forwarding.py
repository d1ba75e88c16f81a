"""What an edge sends of a file, beside other ways to send it."""

from __future__ import annotations

from pathlib import Path

import pytest

from costream.errors import SourceError
from costream.lab.evaluate.forwarding import forwarding_of
from tests.edge.conftest import hall
from tests.video.encode import encode


def test_a_quiet_stream_is_counted_in_every_way(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", hall(20), rate=10, gop=30, options={"bf": "0"})
    row = forwarding_of(path, "quiet", 2.0)
    assert (row.ticks, row.seconds) == (40, 19.5)
    assert 0 < row.packets < row.sent < row.full < row.jpegs
    assert row.shown < row.ticks and 0 < row.decoded < 1
    # A still scene: whatever the encoder, little more than its first picture.
    assert row.packets / 3 < row.encoded < 3 * row.full


def test_one_picture_is_no_stream(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", hall(0.1), rate=10)
    with pytest.raises(SourceError, match="measure a longer one"):
        forwarding_of(path, "short", 2.0)
