from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from costream.lab.synth import encode
from costream.video.provenance import is_synthetic

FRAMES = [np.full((64, 64, 3), value, np.uint8) for value in (0, 100)]


@pytest.mark.parametrize(("suffix", "says"), [("mp4", True), ("mkv", True), ("ts", False)])
def test_what_is_rendered_here_says_so_where_there_is_room(
    tmp_path: Path, suffix: str, says: bool
) -> None:
    assert is_synthetic(encode(FRAMES, tmp_path / f"x.{suffix}", fps=5)) == says


def test_nothing_else_says_so(tmp_path: Path) -> None:
    text, other = tmp_path / "x.txt", tmp_path / "other.mp4"
    text.write_text("no video")
    with av.open(str(other), "w") as container:
        stream = container.add_stream("libx264", 5)
        stream.width = stream.height = 64
        for pixels in FRAMES:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode(None))
    for source in (text, other, tmp_path, "nowhere.mp4", "rtsp://127.0.0.1:9/x", "-"):
        assert not is_synthetic(source)
