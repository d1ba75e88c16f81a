"""Clips hold the camera's own packets, and play, whatever they came in."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from costream.errors import MediaError
from costream.serve.cameras.clip import ClipWriter, suffix_of
from costream.video.annex_b import annex_b
from tests.serve.cameras.packets import packets_of, pictures_of, times_of
from tests.video.encode import encode, panning

CHROMIUM = "/usr/bin/chromium"


def write(path: Path, packets: list, *, close: bool = True) -> ClipWriter:
    writer = ClipWriter(path, packets[0])
    writer.add(packets)
    if close:
        writer.close()
    return writer


@pytest.mark.parametrize(
    ("name", "codec", "settings"),
    [
        ("a.mp4", "libx264", {"gop": 10}),
        ("b.mp4", "libx264", {"gop": 10, "b_frames": 2}),
        ("c.ts", "libx264", {"gop": 10, "b_frames": 2}),
        ("d.flv", "libx264", {"gop": 10}),
        ("e.mp4", "libx265", {"options": {"x265-params": "keyint=10:log-level=none"}}),
        ("f.ts", "libx265", {"options": {"x265-params": "keyint=10:log-level=none"}}),
        ("g.mkv", "libvpx-vp9", {"gop": 10, "options": {"deadline": "realtime", "cpu-used": "8"}}),
        ("h.avi", "mjpeg", {"pixels": "yuvj420p"}),
    ],
)
def test_a_clip_shows_what_the_camera_sent_to_the_bit(
    tmp_path: Path, name: str, codec: str, settings: dict
) -> None:
    source = encode(tmp_path / name, panning(40), codec, **settings)
    packets = packets_of(source)
    path = tmp_path / f"clip{suffix_of(packets[0])}"
    writer = write(path, packets)
    assert (path.suffix == ".mkv") == (codec == "mjpeg")
    shown, sent = pictures_of(path), pictures_of(source)
    assert len(shown) == len(sent) == 40
    assert all((one == other).all() for one, other in zip(shown, sent, strict=True))
    steps = [after - before for before, after in pairwise(times_of(path))]
    assert steps == pytest.approx([0.04] * 39, abs=2e-3)
    assert writer.seconds == pytest.approx(39 * 0.04, abs=0.02)


def test_its_header_names_its_parameters_whatever_the_source(tmp_path: Path) -> None:
    """Browsers look at avcC before they take a file."""
    source = encode(tmp_path / "a.ts", panning(30), gop=10)
    write(tmp_path / "clip.mp4", packets_of(source))
    with av.open(str(tmp_path / "clip.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert context.extradata[0] == 1 and context.extradata[1] in (66, 77, 100)
        assert context.codec_tag == "avc1"
    data = (tmp_path / "clip.mp4").read_bytes()
    assert data.count(b"moof") >= 2 and data.index(b"moov") < data.index(b"moof")


def test_what_a_crash_leaves_plays(tmp_path: Path) -> None:
    source = encode(tmp_path / "a.mp4", panning(100), gop=25)
    path = tmp_path / "clip.mp4.part"
    writer = write(path, packets_of(source), close=False)
    shutil.copy(path, tmp_path / "left.mp4")
    writer.close()
    assert len(pictures_of(tmp_path / "left.mp4")) >= 70


def test_stamps_that_are_missing_or_jump_leave_a_clip_that_plays_in_order(tmp_path: Path) -> None:
    packets = packets_of(encode(tmp_path / "a.mp4", panning(60), gop=10, b_frames=0))
    packets = [
        replace(p, dts=None, pts=None)
        if 15 <= n < 25
        else replace(p, dts=p.dts + 10**9, pts=p.pts + 10**9)
        if n >= 40
        else p
        for n, p in enumerate(packets)
    ]
    write(tmp_path / "clip.mp4", packets)
    times = times_of(tmp_path / "clip.mp4")
    assert len(times) == 60
    assert all(before < after for before, after in pairwise(times))
    assert times[-1] == pytest.approx(59 * 0.04, abs=0.2)


def test_a_camera_that_was_lost_stands_still_meanwhile(tmp_path: Path) -> None:
    first = packets_of(encode(tmp_path / "a.ts", panning(50), gop=25))
    again = packets_of(tmp_path / "a.ts", received=130.0)
    again = [replace(p, number=p.number + 50) for p in again]
    writer = write(tmp_path / "clip.mp4", [*first, *again])
    assert not writer.over
    times = times_of(tmp_path / "clip.mp4")
    assert len(times) == 100
    # 50 frames take 2 s, and the first of the others came 30 s after the first of all.
    assert times[50] == pytest.approx(30.0, abs=0.2)


def test_packets_behind_a_hole_wait_for_a_key_frame(tmp_path: Path) -> None:
    packets = packets_of(encode(tmp_path / "a.mp4", panning(60), gop=20))
    write(tmp_path / "clip.mp4", [*packets[:25], *packets[30:]])
    assert len(pictures_of(tmp_path / "clip.mp4")) == 45


def test_a_clip_ends_where_the_parameters_change(tmp_path: Path) -> None:
    small = packets_of(encode(tmp_path / "a.ts", panning(20), gop=10))
    large = packets_of(encode(tmp_path / "b.ts", panning(20, size=(480, 640)), gop=10))
    other = packets_of(encode(tmp_path / "c.mp4", panning(20), "libx265"))
    for after in (large, other):
        writer = write(tmp_path / "clip.mp4", [*small, *after])
        assert writer.over
        assert len(pictures_of(tmp_path / "clip.mp4")) == 20


def test_damaged_packets_are_stored_as_they_came(tmp_path: Path) -> None:
    packets = packets_of(encode(tmp_path / "a.mp4", panning(40), gop=10))
    rng = np.random.default_rng(1)
    spoilt = []
    for n, packet in enumerate(packets):
        data = bytearray(packet.data)
        if n % 3 == 1:
            for place in rng.integers(0, len(data), 4):
                data[place] ^= 0x55
        spoilt.append(replace(packet, data=bytes(data)))
    write(tmp_path / "clip.mp4", spoilt)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert sum(1 for packet in container.demux(video=0) if packet.size) >= 27


def test_lengths_beyond_the_packet_give_no_unit(tmp_path: Path) -> None:
    packets = packets_of(encode(tmp_path / "a.mp4", panning(4), gop=10))
    broken = replace(packets[1], data=b"\xff\xff\xff\xff" + packets[1].data[4:])
    assert annex_b(broken) == b""
    assert annex_b(packets[1]).startswith(b"\x00\x00\x00\x01")


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    packets = packets_of(encode(tmp_path / "a.mp4", panning(60, size=(480, 640)), gop=10))
    with pytest.raises(MediaError, match="the disk is full: free space"):
        write(Path("/dev/full"), packets)
    with pytest.raises(MediaError, match=r"it can't be written: .*directory"):
        ClipWriter(tmp_path / "absent" / "clip.mp4", packets[0]).add(packets)


def test_a_browser_plays_a_clip(tmp_path: Path) -> None:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium here: {CHROMIUM}")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    source = encode(tmp_path / "a.ts", panning(75), gop=25, options={"preset": "ultrafast"})
    write(tmp_path / "clip.mp4", packets_of(source))
    (tmp_path / "page.html").write_text('<video id="clip" src="clip.mp4" muted autoplay></video>')
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"file://{tmp_path}/page.html")
        page.wait_for_function("clip.ended && clip.currentTime > 2.5", timeout=60_000)
        assert page.evaluate("[clip.videoWidth, clip.videoHeight, clip.error]") == [320, 240, None]
        browser.close()
