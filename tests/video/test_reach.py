"""What sources lead to: playlists, redirects and names that reach for files and private hosts."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from costream.errors import SettingsError, SourceError
from costream.video import Stream
from costream.video import address as addresses
from costream.video.address import is_public
from costream.video.target import target_of
from tests.video.encode import encode, panning
from tests.video.site import Page, serving

HLS = "application/vnd.apple.mpegurl"
HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n"
END = "#EXT-X-ENDLIST\n"


def hls(*segments: str, before: str = "", live: bool = False) -> Page:
    lines = "".join(f"#EXTINF:1.0,\n{segment}\n" for segment in segments)
    return Page((HEAD + before + lines + ("" if live else END)).encode(), HLS)


@pytest.fixture(scope="module")
def segment(tmp_path_factory) -> bytes:
    return encode(tmp_path_factory.mktemp("segment") / "a.ts", panning(25), gop=25).read_bytes()


@pytest.fixture
def site(segment):
    with serving() as site:
        site.pages["/a.ts"] = Page(segment, "video/mp2t")
        site.pages["/b.ts"] = Page(segment, "video/mp2t")
        yield site


@pytest.fixture
def private(segment):
    """Another host of the private network, which has to stay untouched."""
    with serving("127.0.0.2") as private:
        for name in ("a.ts", "k.key", "x.m3u8"):
            private.pages[f"/{name}"] = Page(segment if name == "a.ts" else b"0" * 16)
        yield private
        assert private.hits == []


def frames(source, **settings) -> int:
    with Stream(source, **{"timeout": 5, **settings}) as stream:
        return sum(1 for _ in stream.frames())


def refusal(source, **settings) -> str:
    with pytest.raises(SourceError) as caught:
        frames(source, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def attempt(source) -> None:
    """Reads a source which FFmpeg itself may take something out of, instead of failing."""
    with suppress(SourceError):
        frames(source)


def test_a_playlist_leads_to_its_own_host(site):
    site.pages["/list.m3u8"] = hls("a.ts", f"{site.url}/b.ts")
    assert frames(f"{site.url}/list.m3u8") == 50
    assert {"/list.m3u8", "/a.ts", "/b.ts"} == set(site.hits)


def test_a_playlist_is_known_by_its_media_type(site):
    site.pages["/live"] = hls("a.ts")
    assert frames(f"{site.url}/live?camera=1") == 25


def test_a_playlist_leads_to_its_own_host_on_another_port(site, segment):
    with serving() as other:
        other.pages["/c.ts"] = Page(segment)
        site.pages["/list.m3u8"] = hls(f"{other.url}/c.ts")
        assert frames(f"{site.url}/list.m3u8") == 25


def elsewhere(url: str) -> dict[str, Page]:
    """Playlists that reach for ``url``, each in another way; all begin with a good segment."""
    key = f'#EXT-X-KEY:METHOD=AES-128,URI="{url}/k.key",IV=0x{"0" * 32}\n'
    variant = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{}\n"
    return {
        "segment": hls("a.ts", f"{url}/a.ts"),
        "first": hls(f"{url}/a.ts"),
        "key": hls("a.ts", before=key),
        "map": hls("a.ts", before=f'#EXT-X-MAP:URI="{url}/a.ts"\n'),
        "variant": Page(variant.format(f"{url}/x.m3u8").encode(), HLS),
        "rendition": Page(
            f'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="{url}/x.m3u8"\n'
            '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\ngood.m3u8\n'.encode(),
            HLS,
        ),
        "redirect": Page(status=302, headers={"Location": f"{url}/a.ts"}),
        "permanent": Page(status=308, headers={"Location": f"{url}/a.ts"}),
    }


KINDS = list(elsewhere(""))


@pytest.mark.parametrize("kind", KINDS)
def test_another_private_host_is_refused(site, private, kind):
    site.pages["/good.m3u8"] = hls("a.ts")
    site.pages["/list.m3u8"] = elsewhere(private.url)[kind]
    message = refusal(f"{site.url}/list.m3u8")
    assert "127.0.0.2, a private address that it may not name" in message


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("redirect", "permanent")])
@pytest.mark.parametrize(
    "form",
    [
        "tcp://127.0.0.2:{port}",
        "httpproxy://127.0.0.2:{port}",
        "tls://127.0.0.2:{port}",
        "cache:http://127.0.0.2:{port}",
    ],
)
def test_other_protocols_are_refused(site, private, kind, form):
    site.pages["/good.m3u8"] = hls("a.ts")
    site.pages["/list.m3u8"] = elsewhere(form.format(port=private.port))[kind]
    attempt(f"{site.url}/list.m3u8")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.2",
        "127.2",
        "2130706434",
        "0x7f000002",
        "0177.0.0.2",
        "0x7f.0.0.2",
        "[::ffff:127.0.0.2]",
        "[::ffff:7f00:2]",
        "user@127.0.0.2",
    ],
)
def test_every_notation_of_a_private_address_is_refused(site, private, host):
    site.pages["/list.m3u8"] = hls("a.ts", f"http://{host}:{private.port}/a.ts")
    assert "private address" in refusal(f"{site.url}/list.m3u8")


def test_a_name_of_a_private_address_is_refused(site, private, monkeypatch):
    real = socket.getaddrinfo

    def lookup(host, *args, **settings):
        return real("127.0.0.2" if host == "innocent.example" else host, *args, **settings)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", lookup)
    site.pages["/list.m3u8"] = hls("a.ts", f"http://innocent.example:{private.port}/a.ts")
    assert "innocent.example, a private address" in refusal(f"{site.url}/list.m3u8")


def test_a_name_that_turns_private_is_refused(site, private, monkeypatch):
    real = socket.getaddrinfo
    answers = iter(["127.0.0.1", "127.0.0.1"])

    def lookup(host, *args, **settings):
        host = next(answers, "127.0.0.2") if host == "turning.example" else host
        return real(host, *args, **settings)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", lookup)
    site.pages["/list.m3u8"] = hls("a.ts", f"http://turning.example:{private.port}/a.ts")
    url = site.url.replace("127.0.0.1", "turning.example")
    assert "private address" in refusal(f"{url}/list.m3u8")


def test_a_live_playlist_that_turns_private_is_refused(site, private):
    def page(headers) -> Page:
        later = [f"{private.url}/a.ts"] if site.hits.count("/list.m3u8") > 1 else []
        return hls("a.ts", "b.ts", "a.ts", *later, live=True)

    site.pages["/list.m3u8"] = page
    assert "private address" in refusal(f"{site.url}/list.m3u8", timeout=1.5)
    assert site.hits.count("/list.m3u8") >= 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["file://{}", "{}", "cache:file://{}"])
def test_a_playlist_on_the_web_leads_to_no_file(site, tmp_path, segment, kind, form):
    for name in ("a.ts", "k.key", "x.m3u8"):
        (tmp_path / name).write_bytes(segment if name == "a.ts" else b"0" * 16)
    before = {path: path.stat().st_atime_ns for path in unread(tmp_path)}
    site.pages["/good.m3u8"] = hls("a.ts")
    site.pages["/list.m3u8"] = elsewhere(form.format(tmp_path))[kind]
    attempt(f"{site.url}/list.m3u8")
    assert before == {path: path.stat().st_atime_ns for path in before}


def unread(folder: Path) -> list[Path]:
    """Dates the files' last access back, so that any reading moves it."""
    files = sorted(folder.iterdir())
    for path in files:
        os.utime(path, (1_000_000_000, 2_000_000_000))
    return files


def test_any_reading_of_a_secret_would_be_seen(tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    (path,) = unread(tmp_path)
    before = path.stat().st_atime_ns
    path.read_bytes()
    if path.stat().st_atime_ns == before:
        pytest.skip("this file system does not note when files are read")


def test_encrypted_segments_are_read(site, tmp_path):
    (tmp_path / "k.key").write_bytes(bytes(range(16)))
    (tmp_path / "info").write_text(f"k.key\n{tmp_path / 'k.key'}\n{'0' * 32}\n")
    options = {"hls_key_info_file": str(tmp_path / "info"), "hls_time": "1", "hls_list_size": "0"}
    encode(tmp_path / "list.m3u8", panning(50), gop=25, muxer=options)
    for path in tmp_path.iterdir():
        site.pages[f"/{path.name}"] = Page(path.read_bytes())
    assert b"AES-128" in site.pages["/list.m3u8"].body
    assert frames(f"{site.url}/list.m3u8") == 50


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{outside}/a.ts", "no file of its own folder"),
        ("file://{outside}/a.ts", "no file of its own folder"),
        ("../outside/a.ts", "no file of its own folder"),
        ("link.ts", "no file of its own folder"),
        ("{web}/a.ts", "no file of its own folder"),
    ],
)
def test_a_playlist_on_disk_leads_to_its_own_folder(tmp_path, private, segment, line, told):
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    for one in (folder, outside, folder / "below"):
        one.mkdir()
        (one / "a.ts").write_bytes(segment)
    (folder / "link.ts").symlink_to(outside / "a.ts")
    before = [path.stat().st_atime_ns for path in unread(outside)]
    body = hls("below/a.ts", line.format(outside=outside, web=private.url)).body
    (folder / "list.m3u8").write_bytes(body)
    assert told in refusal(folder / "list.m3u8")
    assert before == [path.stat().st_atime_ns for path in outside.iterdir()]
    (folder / "list.m3u8").write_bytes(hls("below/a.ts", "a.ts").body)
    assert frames(folder / "list.m3u8") == 50


SDP = "v=0\no=- 0 0 IN IP4 {host}\ns=x\nc=IN IP4 {host}\nt=0 0\nm=video {port} RTP/AVP 96\n"
MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"
 minBufferTime="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>
<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1" codecs="avc1.64001f"
 width="320" height="240"><BaseURL>{url}</BaseURL><SegmentList duration="1">
<SegmentURL media="a.ts"/></SegmentList></Representation></AdaptationSet></Period></MPD>
"""


def lists(folder: Path, private) -> dict[str, str]:
    """Lists of other sources, of every format that has them, by file name."""
    return {
        "list.m3u8": hls(f"{folder}/a.ts", f"{private.url}/a.ts").body.decode(),
        "list.ffconcat": f"ffconcat version 1.0\nfile {folder}/a.ts\nfile {private.url}/a.ts\n",
        "web.ffconcat": f"ffconcat version 1.0\nfile {private.url}/a.ts\n",
        "list.sdp": SDP.format(host="127.0.0.2", port=private.port),
        "list.mpd": MPD.format(url=f"{private.url}/"),
        "file.mpd": MPD.format(url=f"file://{folder}/"),
    }


NAMES = ["list.m3u8", "list.ffconcat", "web.ffconcat", "list.sdp", "list.mpd", "file.mpd"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["file", "object", "pipe", "web", "tcp"])
def test_lists_of_other_sources_lead_nowhere(tmp_path, site, private, segment, name, way):
    secrets, own = tmp_path / "secrets", tmp_path / "own"
    for folder in (secrets, own):
        folder.mkdir()
    (secrets / "a.ts").write_bytes(segment)
    before = [path.stat().st_atime_ns for path in unread(secrets)]
    body = lists(secrets, private)[name].encode()
    (own / name).write_bytes(body)
    site.pages[f"/{name}"] = Page(body)
    if way == "file":
        refusal(own / name)
    elif way == "object":
        with (own / name).open("rb") as file:
            refusal(file)
    elif way == "web":
        refusal(f"{site.url}/{name}")
    elif way == "pipe":
        os.mkfifo(tmp_path / "fifo")
        with writing(lambda: (tmp_path / "fifo").write_bytes(body)):
            refusal(tmp_path / "fifo")
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        with listener, writing(lambda: send(listener, body)):
            refusal(f"tcp://127.0.0.1:{listener.getsockname()[1]}/{name}")
    assert before == [path.stat().st_atime_ns for path in secrets.iterdir()]


@contextmanager
def writing(action) -> Iterator[None]:
    thread = threading.Thread(target=action)
    thread.start()
    yield
    thread.join()


def send(listener: socket.socket, body: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(body)


def test_who_runs_the_program_may_name_any_protocol(tmp_path, site, segment):
    (tmp_path / "a.ts").write_bytes(segment)
    assert frames(f"cache:file://{tmp_path}/a.ts") == 25
    assert frames(f"concat:file://{tmp_path}/a.ts|file://{tmp_path}/a.ts") == 50
    assert frames(f"async:{site.url}/a.ts") == 25


def test_a_file_that_lists_its_neighbours_is_read(tmp_path, segment):
    for name in ("a.ts", "b.ts"):
        (tmp_path / name).write_bytes(segment)
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile a.ts\nfile b.ts\n")
    assert frames(tmp_path / "list.ffconcat") == 50


@pytest.mark.parametrize("reach", ["network", "public"])
@pytest.mark.parametrize(
    "source",
    [
        "-",
        "{file}",
        "file://{file}",
        "FILE://{file}",
        "cache:file://{file}",
        "async:file://{file}",
        "subfile,,start,0,end,0,,:file://{file}",
        "concat:file://{file}|file://{file}",
        "crypto:file://{file}",
        "crypto+file://{file}",
        "pipe://0",
        "fd://0",
        "unix://{file}",
        "lavfi://testsrc",
        "cache:http://127.0.0.1:1/",
        "httpproxy://127.0.0.1:1/",
        "data://text/plain,x",
    ],
)
def test_names_from_elsewhere_are_network_addresses(tmp_path, segment, source, reach):
    file = tmp_path / "secret.ts"
    file.write_bytes(segment)
    (before,) = (path.stat().st_atime_ns for path in unread(tmp_path))
    told = refusal(source.format(file=file), reach=reach)
    assert "only network addresses may be given from elsewhere" in told
    assert file.stat().st_atime_ns == before


def test_paths_and_odd_names_from_elsewhere_are_refused(tmp_path):
    for source in (tmp_path / "a.ts", "rtsp://camera/1\nx", "rtsp://10.0.0.1\t.example/1"):
        assert "only network addresses" in refusal(source, reach="network")


def test_names_from_elsewhere_may_be_cameras_of_the_private_network(site):
    site.pages["/list.m3u8"] = hls("a.ts")
    assert frames(f"{site.url}/list.m3u8", reach="network") == 25


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp", "rtmp", "tcp", "udp", "srt"])
@pytest.mark.parametrize(
    "host", ["127.0.0.2", "localhost", "2130706434", "[::1]", "169.254.169.254"]
)
def test_a_public_reach_refuses_private_hosts(private, scheme, host):
    told = refusal(f"{scheme}://{host}:{private.port}/a.ts", reach="public")
    assert "its host is not one of the open internet" in told


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("rtsp://cam.example/1", "rtsp://93.184.216.34/1"),
        ("RTSP://u:p@ss@cam.example:554/1?a=b@c", "RTSP://u:p@ss@93.184.216.34:554/1?a=b@c"),
        ("rtmp://cam.example", "rtmp://93.184.216.34"),
        ("srt://cam.example:9000?mode=caller", "srt://93.184.216.34:9000?mode=caller"),
        ("rtsp://six.example:554/1", "rtsp://[2606:2800:220:1::1]:554/1"),
        ("rtsps://cam.example/1", "rtsps://cam.example/1"),
    ],
)
def test_a_public_name_is_opened_at_the_address_that_was_checked(monkeypatch, url, opened):
    known = {
        "cam.example": ["2606:2800:220:1::1", "93.184.216.34"],
        "six.example": ["2606:2800:220:1::1"],
    }
    monkeypatch.setattr(addresses, "resolve", lambda host, port: known[host])
    assert target_of(url, 1.0, {}, None, "public").file == opened
    assert target_of(url, 1.0, {}, None, "network").file == url


def test_a_name_that_leads_elsewhere_by_now_is_not_looked_up_again(monkeypatch):
    monkeypatch.setattr(addresses, "resolve", lambda host, port: ["127.0.0.1"])
    monkeypatch.setattr(addresses, "is_public", lambda address: True)
    with socket.create_server(("127.0.0.1", 0)) as camera:
        camera.settimeout(10)
        url = f"rtsp://cam.invalid:{camera.getsockname()[1]}/1"
        reader = threading.Thread(target=refusal, args=(url,), kwargs={"reach": "public"})
        reader.start()
        connection, _ = camera.accept()
        with connection:
            assert connection.recv(1024).startswith(b"OPTIONS rtsp://127.0.0.1:")
        reader.join()


@pytest.mark.parametrize(
    "option", ["protocol_whitelist", "format_whitelist", "enable_drefs", "safe", "http_proxy"]
)
def test_options_from_elsewhere_widen_nothing(option):
    with pytest.raises(SettingsError, match=option):
        Stream("http://camera/", options={option: "1"}, reach="network")
    Stream("rtsp://camera/", options={"rtsp_transport": "udp"}, reach="network")


def test_a_reach_is_one_of_three():
    with pytest.raises(SettingsError, match="local, network, public"):
        Stream("a.mp4", reach="everything")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "fc00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
    ],
)
def test_addresses_that_are_not_of_the_open_internet(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_open_internet(address):
    assert is_public(address)
