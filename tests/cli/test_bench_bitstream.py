"""``costream bench bitstream`` on files of both codecs, and on what it can't read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from costream.lab.synth import EncoderSettings, SyntheticCamera, encode
from costream.video.bitstream import open_reader
from tests.cli.conftest import Command


def write(path: Path, settings: EncoderSettings) -> Path:
    camera = SyntheticCamera(seed=2, width=160, height=96)
    return encode(map(camera.frame, range(60, 90)), path, fps=25, settings=settings)


@pytest.mark.skipif(open_reader("h264", None) is None, reason="built without the bitstream readers")
def test_every_slice_is_read_and_vectors_are_those_that_a_decoder_exports(
    costream: Command, tmp_path: Path
) -> None:
    h264 = write(tmp_path / "a.mp4", EncoderSettings(bframes=2))
    h265 = write(tmp_path / "[b].mp4", EncoderSettings(codec="libx265"))
    result = costream("bench", "bitstream", h264, h265, "--json")
    assert result.status == 0
    first, second = json.loads(result.out)
    assert (first["codec"], first["mv_equal"]) == ("h264", 1.0)
    assert (second["codec"], second["mv_equal"]) == ("hevc", None)
    for row in (first, second):
        assert row["slices"] >= row["pictures"] == 30
        assert row["unsupported"] == {}
        assert row["speedup"] > 0


def test_a_codec_without_a_reader_is_said_to_have_none(costream: Command, tmp_path: Path) -> None:
    import av

    path = tmp_path / "x.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", 25)
        stream.width, stream.height = 64, 64
        frame = av.VideoFrame(64, 64, "yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    result = costream("bench", "bitstream", path, "--json")
    assert result.status == 0
    assert json.loads(result.out)[0] == {
        "source": str(path), "codec": "mpeg4", "pictures": 0, "slices": 0, "unsupported": {},
        "vectors": 0, "mv_equal": None, "speedup": None,
    }  # fmt: skip


def test_a_missing_file_is_one_sentence(costream: Command, tmp_path: Path) -> None:
    result = costream("bench", "bitstream", tmp_path / "none.mp4")
    assert result.status == 1
    assert "none.mp4" in result.err
