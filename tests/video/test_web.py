"""Reading over http and https: ranges, lengths, endings, options, proxies, certificates."""

import socket
import ssl
import subprocess
import threading
import time

import pytest

from costream.errors import SourceError
from costream.video import Stream
from tests.video.encode import encode, panning
from tests.video.site import Page, serving


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> bytes:
    """A file whose header comes last, so that it can only be read by seeking."""
    return encode(tmp_path_factory.mktemp("clip") / "a.mp4", panning(50), gop=25).read_bytes()


@pytest.fixture(scope="module")
def transport(tmp_path_factory) -> bytes:
    return encode(tmp_path_factory.mktemp("ts") / "a.ts", panning(50), gop=25).read_bytes()


@pytest.fixture
def site():
    with serving() as site:
        yield site


def frames(source, **settings) -> int:
    with Stream(source, **{"timeout": 3, **settings}) as stream:
        return sum(1 for _ in stream.frames())


def test_a_file_is_read_by_ranges(site, clip):
    site.pages["/a.mp4"] = Page(clip, ranges=True)
    with Stream(f"{site.url}/a.mp4", timeout=3) as stream:
        assert stream.info.duration == 2
        assert not stream.info.live
        assert len(list(stream.frames())) == 50
    assert len(site.hits) > 1


def test_without_ranges_a_file_that_ends_with_its_header_can_not_be_read(site, clip):
    site.pages["/a.mp4"] = Page(clip)
    with pytest.raises(SourceError):
        frames(f"{site.url}/a.mp4")


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("sized", [True, False])
def test_a_stream_is_read_to_its_end(site, transport, ranges, sized):
    site.pages["/a.ts"] = Page(transport, ranges=ranges, sized=sized)
    assert frames(f"{site.url}/a.ts") == 50


def test_redirects_are_followed_and_playlists_are_relative_to_where_they_end(site, transport):
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\na.ts\n#EXT-X-ENDLIST\n"
    site.pages["/old/x.m3u8"] = Page(status=308, headers={"Location": "/new/x.m3u8"})
    site.pages["/new/x.m3u8"] = Page(playlist)
    site.pages["/new/a.ts"] = Page(transport)
    assert frames(f"{site.url}/old/x.m3u8") == 50


def test_byte_ranges_of_a_playlist(site, transport):
    half = len(transport) // 188 // 2 * 188
    lines = "".join(
        f"#EXTINF:1.0,\n#EXT-X-BYTERANGE:{size}@{start}\nall.ts\n"
        for start, size in [(0, half), (half, len(transport) - half)]
    )
    playlist = f"#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:1\n{lines}#EXT-X-ENDLIST\n"
    site.pages["/x.m3u8"] = Page(playlist.encode())
    for ranges in (True, False):
        site.pages["/all.ts"] = Page(transport, ranges=ranges)
        assert frames(f"{site.url}/x.m3u8") == 50


def test_a_segment_that_is_gone_is_passed_over(site, transport):
    lines = "".join(f"#EXTINF:2.0,\n{name}.ts\n" for name in "aba")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n{lines}#EXT-X-ENDLIST\n"
    site.pages["/x.m3u8"] = Page(playlist.encode())
    site.pages["/a.ts"] = Page(transport)
    assert frames(f"{site.url}/x.m3u8") == 100


def test_a_body_that_breaks_off_is_told(site, transport):
    site.pages["/a.ts"] = Page(
        transport[: len(transport) // 2],
        headers={"Content-Length": str(len(transport))},
        sized=False,
    )
    with pytest.raises(SourceError, match="stopped: it broke off"):
        frames(f"{site.url}/a.ts")


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (Page(status=404), "the server answers 404 Not Found"),
        (Page(status=503), "the server answers 503 Service Unavailable"),
        (Page(b"<html>hello</html>", "text/html"), "not a video"),
        (Page(status=302, headers={"Location": "file:///etc/passwd"}), "away from the web"),
        (Page(status=302, headers={"Location": "/x"}), "in a circle"),
    ],
)
def test_what_is_wrong_is_one_sentence(site, page, told):
    site.pages["/x"] = page
    with pytest.raises(SourceError, match=told) as caught:
        frames(f"{site.url}/x?token=hunter2")
    assert "\n" not in str(caught.value) and "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://", "http:///x", "http://h:port/", "http://[::1/", "http://a b/"]
)
def test_an_address_that_is_none(url):
    with pytest.raises(SourceError, match="can't open http"):
        frames(url)


def raw(answer: bytes, pause: float = 0.0) -> tuple[str, threading.Thread]:
    """Serves one connection: the answer, a byte at a time if there is a pause."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener, listener.accept()[0] as connection:
            connection.recv(4096)
            try:
                for at in range(0, len(answer), 1 if pause else len(answer)):
                    connection.sendall(answer[at : at + (1 if pause else len(answer))])
                    time.sleep(pause)
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/x.ts", thread


def test_what_is_no_http(transport):
    url, thread = raw(b"SSH-2.0-OpenSSH_9.9\r\n")
    with pytest.raises(SourceError, match="does not answer as http has it"):
        frames(url)
    thread.join()


def test_a_server_that_drips_times_out():
    url, thread = raw(b"HTTP/1.1 200 OK\r\n\r\n" + b"G" * 1000, pause=0.1)
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"no data for 1 s"):
        frames(url, timeout=1)
    assert time.monotonic() - started < 30
    thread.join()


def test_byte_ranges_that_are_none(site, transport):
    playlist = "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n"
    site.pages["/all.ts"] = Page(transport, ranges=True)
    site.pages["/x.m3u8"] = Page(f"{playlist}#EXT-X-BYTERANGE:188@-376\nall.ts\n".encode())
    with pytest.raises(SourceError):
        frames(f"{site.url}/x.m3u8", timeout=1)


def test_options(site, transport):
    site.pages["/a.ts"] = Page(transport)
    options = {"user_agent": "Eye", "headers": "X-A: 1\r\nX-B: 2: 3\r\n", "referer": "http://r/"}
    assert frames(f"{site.url}/a.ts", options=options) == 50
    headers = site.asked[0]
    assert (headers["User-Agent"], headers["X-A"], headers["X-B"]) == ("Eye", "1", "2: 3")
    assert headers["Referer"] == "http://r/"


def test_cookies_come_back(site, transport):
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\na.ts\n#EXT-X-ENDLIST\n"
    site.pages["/x.m3u8"] = Page(playlist, headers={"Set-Cookie": "session=7; Path=/"})
    site.pages["/a.ts"] = Page(transport)
    assert frames(f"{site.url}/x.m3u8") == 50
    assert site.asked[1]["Cookie"] == "session=7"


def test_a_path_that_is_not_ascii(site, transport):
    site.pages["/%C3%A4%20b.ts"] = Page(transport)
    assert frames(f"{site.url}/ä b.ts") == 50


def test_a_proxy_of_the_environment_is_used_and_checked(site, transport, monkeypatch):
    with serving("127.0.0.3") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n"
        home = "http://127.0.0.1:1"
        proxy.pages[f"{home}/x.m3u8"] = Page(playlist.format("a.ts").encode())
        proxy.pages[f"{home}/a.ts"] = Page(transport)
        assert frames(f"{home}/x.m3u8") == 50
        proxy.pages["http://camera.invalid/a.ts"] = Page(transport)
        assert frames("http://camera.invalid/a.ts") == 50
        proxy.hits.clear()
        evil = playlist.format("http://127.0.0.2/a.ts").encode()
        proxy.pages[f"{home}/x.m3u8"] = Page(evil)
        with pytest.raises(SourceError, match="private address"):
            frames(f"{home}/x.m3u8")
        assert proxy.hits == [f"{home}/x.m3u8"]


def test_https_with_and_without_looking_at_the_certificate(tmp_path, transport):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += [
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl, which makes the certificate, is not here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(ssl_context=context) as site:
        site.pages["/a.ts"] = Page(transport)
        url = f"{site.url}/a.ts"
        assert frames(url) == 50
        with pytest.raises(SourceError, match="certificate"):
            frames(url, options={"tls_verify": "1"})
        assert frames(url, options={"tls_verify": "1", "ca_file": str(certificate)}) == 50
