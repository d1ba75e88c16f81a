"""Stills and clips on disk: where they are, how they are drawn, and what a full disk does."""

from __future__ import annotations

import io
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from costream.errors import ForgottenError
from costream.serve.cameras import clip_recorder
from costream.serve.cameras.clip_recorder import ClipRecorder
from costream.serve.cameras.media import MediaFolder, draw_still, partial_of
from tests.serve.cameras.packets import packets_of
from tests.serve.cameras.watching import SOON
from tests.video.encode import encode, panning

AT = 1_700_000_000.0  # 2023-11-14


def shown(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image.convert("L")).astype(int)


def test_a_still_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    media = MediaFolder(tmp_path / "media")
    path = media.keep("event", AT, b"jpeg")
    assert path == tmp_path / "media" / "2023" / "11" / "14" / "event.jpg"
    assert path.read_bytes() == b"jpeg" and [path] == list(tmp_path.rglob("*.*"))
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        media.keep("event", AT, b"jpeg")
    assert not list(tmp_path.rglob("*.part"))


def test_what_a_crash_left_is_taken_up(tmp_path: Path) -> None:
    media = MediaFolder(tmp_path)
    clip, still, empty = (
        partial_of(media.path(id, AT, suffix))
        for id, suffix in (("a", ".mp4"), ("b", ".jpg"), ("c", ".mkv"))
    )
    clip.write_bytes(b"fragments")
    still.write_bytes(b"half")
    empty.touch()
    assert list(media.recover()) == [("a", clip.with_suffix(""))]
    assert clip.with_suffix("").read_bytes() == b"fragments"
    assert [p.name for p in tmp_path.rglob("*.*")] == ["a.mp4"]


def test_a_still_shows_what_was_kept(tmp_path: Path) -> None:
    pixels = np.full((1440, 2560, 3), 200, np.uint8)
    kept = np.zeros((9, 16), bool)
    kept[:, :8] = True
    found = shown(draw_still(pixels, kept, ()))
    assert found.shape == (1080, 1920)
    assert abs(found[:, :940] - 200).max() < 6 and abs(found[:, 980:] - 90).max() < 6
    for whole in (None, np.ones((9, 16), bool)):
        assert abs(shown(draw_still(pixels[:96, :128], whole, ())) - 200).max() < 6
    masked = shown(draw_still(pixels[:96, :128], kept, [((0, 0), (1, 0), (1, 0.5), (0, 0.5))]))
    assert masked[:46].max() < 10 and masked[56:, :60].min() > 180


@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is mounted by root")
def test_a_full_disk_drops_a_clip_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if os.system(f"mount -t tmpfs -o size=64k tmpfs {tmp_path} 2>/dev/null"):
        pytest.skip("no file system of a few bytes can be mounted here")
    try:
        monkeypatch.setattr(clip_recorder, "PACKET_DELAY", 0.0)
        folder = Path(os.environ.get("TMPDIR", "/tmp"))
        source = folder / f"{tmp_path.name}.ts"
        pictures = panning(60, size=(480, 640))
        packets = packets_of(encode(source, pictures, gop=10), received=0.0)
        source.unlink()
        recorder = ClipRecorder(MediaFolder(tmp_path), lambda *ask: packets, lambda *clip: None)
        recorder.begin("event", "door", time.time(), 0.0)
        recorder.close()
        assert recorder.dropped == 1 and "the disk is full" in str(recorder.problem)
        assert "the disk is full" in caplog.text
        assert not list(tmp_path.rglob("*.mp4*"))
    finally:
        os.system(f"umount {tmp_path}")


def test_a_camera_that_goes_away_leaves_what_there_is_of_its_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip_recorder, "LOOK_EVERY", 0.01)
    packets = packets_of(encode(tmp_path / "a.ts", panning(20), gop=10), received=0.0)
    gives = [[], packets[:10], packets[10:]]

    def newest(camera: str, moment: float, number: int | None) -> list:
        if not gives:
            raise ForgottenError("camera door is not being read")
        return gives.pop(0)

    clips: list[tuple[str, Path]] = []
    recorder = ClipRecorder(MediaFolder(tmp_path), newest, lambda *clip: clips.append(clip))
    recorder.begin("event", "door", AT, 1e12)
    _, thread = recorder._clips["event"]
    thread.join(SOON)
    assert clips and clips[0][0] == "event" and recorder.dropped == 0
    # One that is gone from the beginning has none.
    recorder.begin("other", "door", AT, 1e12)
    recorder.close()
    assert len(clips) == 1
    # Nor has one whose packets all lie behind its end.
    gives.append([replace(packets[0], received=1e12)])
    recorder.begin("late", "door", AT, 1.0)
    recorder.close()
    assert len(clips) == 1 and recorder.dropped == 0
