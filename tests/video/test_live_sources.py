"""Which sources have no end of their own."""

from pathlib import Path

import pytest

from costream.video.source import (
    close_container,
    is_live,
    is_live_by_name,
    is_real_time,
    open_container,
)
from tests.video.encode import encode, panning
from tests.video.site import Page, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    encode(folder / "clip.ts", panning(50), gop=10)
    encode(folder / "clip.mp4", panning(50), gop=10, muxer={"movflags": "faststart"})
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nclip.ts\n"
    (folder / "live.m3u8").write_text(playlist)
    (folder / "film.m3u8").write_text(playlist + "#EXT-X-ENDLIST\n")
    return folder


@pytest.fixture(scope="module")
def site(folder):
    """The folder's files; those under /endless/ don't say how long they are."""
    with serving() as site:
        for file in folder.iterdir():
            data = file.read_bytes()
            site.pages[f"/{file.name}"] = Page(data, ranges=True)
            site.pages[f"/endless/{file.name}"] = Page(data, sized=False)
        yield site.url


def live(source) -> bool:
    container = open_container(source, 5, {})
    try:
        # Other than pipes, only live sources give pictures as they come about.
        assert is_real_time(source, container) == is_live(source, container)
        return is_live(source, container)
    finally:
        close_container(container)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("clip.ts", False),
        ("clip.mp4", False),
        ("film.m3u8", False),
        ("live.m3u8", True),
        ("endless/clip.ts", True),
        # Its header says how long it is.
        ("endless/clip.mp4", False),
    ],
)
def test_over_http_a_source_is_live_where_nothing_tells_its_length(site, path, expected):
    assert is_live_by_name(f"{site}/{path}") is None
    assert live(f"{site}/{path}") is expected


def test_files_and_file_objects_are_not_live(folder):
    assert not live(folder / "clip.ts")
    assert not live(f"file://{folder}/clip.ts")
    with (folder / "clip.ts").open("rb") as file:
        assert not live(file)


@pytest.mark.parametrize("scheme", ["rtsp", "RTSPS", "rtmp", "rtmps", "udp", "rtp", "srt", "tcp"])
def test_cameras_and_broadcasts_are_live_by_their_name(scheme):
    assert is_live_by_name(f"{scheme}://camera:1") is True


@pytest.mark.parametrize("source", ["-", "a.mp4", "rtsp.mp4", Path("a.ts"), "file:///a.ts"])
def test_local_sources_are_not_live_by_their_name(source):
    assert is_live_by_name(source) is False
