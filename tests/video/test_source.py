"""Sources that are no video, and what is said about them."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest

from costream.errors import SourceError, SourceRefusedError
from costream.video import Stream, decoder, track
from costream.video.naming import masked, protocol
from costream.video.source import is_file
from tests.video.encode import encode, still, tone


def error_of(source, **settings) -> str:
    with pytest.raises(SourceError) as caught:
        Stream(source, **settings).open()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_missing_file(tmp_path):
    path = tmp_path / "none.mp4"
    assert error_of(path) == f"can't open {path}: no such file or directory"


def test_directory(tmp_path):
    assert error_of(tmp_path) == f"can't open {tmp_path}: it is a directory"


def test_empty_file(tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert error_of(tmp_path / "empty.mp4").endswith("it is empty")


def test_a_name_that_no_file_can_have():
    assert "no file has a null byte in its name" in error_of("a\0.mp4")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(pan, tmp_path):
    path = tmp_path / "secret.mp4"
    path.write_bytes(pan.read_bytes())
    path.chmod(0)
    assert error_of(path).endswith("permission denied")


@pytest.mark.parametrize("suffix", ["mp4", "bin", "h264", "ts", "avi", "mkv"])
def test_garbage(tmp_path, suffix):
    path = tmp_path / f"garbage.{suffix}"
    path.write_bytes(np.random.default_rng(1).bytes(100_000))
    assert str(path) in error_of(path)


def test_text(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("It was a dark and stormy night.\n" * 100)
    assert str(path) in error_of(path)


def test_sound_only(tmp_path):
    path = tone(tmp_path / "tone.m4a")
    assert error_of(path) == f"{path} holds no video"


def test_pictures_larger_than_any_camera_s(tmp_path, monkeypatch):
    path = encode(tmp_path / "large.mp4", [np.zeros((64, 96), np.uint8)] * 3)
    monkeypatch.setattr(track, "MOST_PIXELS", 128 * 128)  # decoders count what they align
    with Stream(path) as stream:
        assert stream.info.width == 96
    monkeypatch.setattr(track, "MOST_PIXELS", 64 * 96 - 1)
    assert "96x64, which are larger than any camera's" in error_of(path)
    # A stream whose headers state no size, or another one.
    monkeypatch.setattr(track, "MOST_PIXELS", 1 << 26)
    monkeypatch.setattr(decoder, "decoder_options", lambda: {"max_pixels": "1000"})
    with pytest.raises(SourceError, match="no picture that can be decoded"), Stream(path) as stream:
        list(stream.samples(5))


@pytest.mark.parametrize(("suffix", "codec"), [("png", "png"), ("jpg", "mjpeg")])
def test_picture_file(tmp_path, suffix, codec):
    path = tmp_path / f"picture.{suffix}"
    pixels = "rgb24" if codec == "png" else "yuvj420p"
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, pixels
    encoder.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
    frame = frame.reformat(format=pixels)
    frame.pts = 0
    path.write_bytes(b"".join(bytes(p) for p in [*encoder.encode(frame), *encoder.encode(None)]))
    assert error_of(path).endswith("it is a picture or text, not a video")
    with path.open("rb") as file:
        assert error_of(file).endswith("it is a picture or text, not a video")


def test_header_missing(pan, tmp_path):
    path = tmp_path / "cut.mp4"
    path.write_bytes(pan.read_bytes()[:2000])
    assert "header is damaged or cut off" in error_of(path)


def test_unknown_protocol():
    assert error_of("nonsense://camera").endswith("protocol not found")


def test_not_a_source():
    with pytest.raises(SourceError, match="not int"):
        Stream(7)


def test_file_object_that_fails():
    class Broken:
        def read(self, size):
            raise OSError(5, "Input/output error")

    assert error_of(Broken()).endswith("input/output error")


def test_names_with_colons_percent_and_spaces(tmp_path):
    path = encode(tmp_path / "a b:c%03d.mp4", still(3))
    with Stream(path) as stream:
        assert stream.info.source == str(path)
    with Stream(f"file://{path}") as stream:
        assert stream.info.width == 320


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://user:secret@host/1", "rtsp://user:***@host/1"),
        ("rtsp://user:se@cr@et@host:554/1?a=b", "rtsp://user:***@host:554/1?a=b"),
        ("rtsp://user:sec/ret@host/1", "rtsp://user:***@host/1"),
        # Here host and path might be the password's, so they are hidden as well.
        ("rtsp://user:secret@host/a@b", "rtsp://user:***@b"),
        ("rtsp://user:se@cr/e:t@host/x", "rtsp://user:***@host/x"),
        ("rtsp://user:se@cr?e=t#s@host/x?a=b", "rtsp://user:***@host/x?a=b"),
        (
            "http://user:secret@host/?to=rtsp://a:se/c@ret@h",
            "http://user:***@host/?to=***://a:***@h",
        ),
        ("http://h/x|http://user:se@c/r:et@h/1", "http://h/x|http://user:***@h/1"),
        ("RTSP://:secret@host", "RTSP://:***@host"),
        ("rtsp://user@host/1", "rtsp://user@host/1"),
        ("rtsp://host:554/1", "rtsp://host:554/1"),
        ("http://h/v.mp4?user=a&password=secret&x=1", "http://h/v.mp4?user=a&password=***&x=1"),
        ("http://h/v.m3u8?token=secret", "http://h/v.m3u8?token=***"),
        # Might be a password with a slash in it, so it is hidden rather than shown.
        ("http://h:8080/a@b.mp4", "http://h:***@b.mp4"),
        ("http://h:8080/a.mp4", "http://h:8080/a.mp4"),
        ("rtsp://us er:pass word@host/1", "rtsp://us er:***@host/1"),
        ("rtsp://a@b:secret@host/1", "rtsp://a@b:***@host/1"),
        ("rtsp://a/b:secret@host/1", "rtsp://a/b:***@host/1"),
        ("rtsp://user:se://cret@host/1", "rtsp://user:***@host/1"),
        ("rtsp://user:secret@[::1]:554/1", "rtsp://user:***@[::1]:554/1"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("http://h/x?hdnts=exp=1~acl=/*~hmac=secret", "http://h/x?hdnts=***"),
        ("http://h/x?tok%65n=secret&jwt=secret#st=secret", "http://h/x?tok%65n=***&jwt=***#st=***"),
        (
            "http://h/x?Policy=secret&X-Amz-Credential=s",
            "http://h/x?Policy=***&X-Amz-Credential=***",
        ),
        ("http://h/x?camera=front-door&subtype=1", "http://h/x?camera=front-door&subtype=1"),
        ("rtsp://h/user=a&password=secret&channel=1", "rtsp://h/user=a&password=***&channel=1"),
        ("rtsp://h/user=a_password=secret_channel=1", "rtsp://h/user=a_password=***_channel=1"),
        ("concat:http://a:secret@h|http://b:secret@h", "concat:http://a:***@h|http://b:***@h"),
        ("srt://h:1?passphrase=secret", "srt://h:1?passphrase=***"),
        ("user:secret@camera/1", "user:***@camera/1"),
        ("rtsp:/user:secret@camera/1", "rtsp:/user:***@camera/1"),
        ("user:se@c/r:et@camera/1", "user:***@camera/1"),
        ("rtsp:user:se/c@r/et@camera/1", "rtsp:user:***@camera/1"),
        ("/videos/10:30/a@b.mp4", "/videos/10:30/a@b.mp4"),
        ("rtsp://h/1\n\x1b[31m", r"rtsp://h/1\n\x1b[31m"),
        ("rtsp://h/password=a\nb", "rtsp://h/password=***"),
        ("a\nb.mp4", "a\nb.mp4"),
        ("clip.mp4", "clip.mp4"),
        ("a b:c.mp4", "a b:c.mp4"),
        ("-", "standard input"),
    ],
)
def test_passwords_are_masked(url, shown):
    assert masked(url) == shown
    assert repr(Stream(url)) == f"Stream({shown!r})"


@pytest.mark.parametrize("scheme", ["rtsp", "http", "tcp", "rtmp"])
def test_no_password_in_errors(scheme):
    message = error_of(f"{scheme}://user:hunter2@127.0.0.1:9/x?token=hunter2", timeout=2)
    assert "hunter2" not in message
    assert f"{scheme}://user:***@127.0.0.1:9" in message


def test_kinds_of_sources(pan):
    assert is_file(pan) and is_file("file:///x") and is_file("a.mp4")
    assert not is_file("-") and not is_file("rtsp://x")
    assert protocol("RTSP://x") == "rtsp"
    assert protocol("file:///x") is None
    with pan.open("rb") as file:
        assert not is_file(file)
        assert masked(file) == "<BufferedReader>"


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "rtmp", "http"])
@pytest.mark.parametrize(
    "rest", ["", "/door", "user:p@/door", "h:99999/door", "h:x/door", "[::1/door"]
)
def test_who_names_no_host_is_refused_at_once(scheme, rest):
    with pytest.raises(SourceRefusedError, match="it names no host, or a port that is none"):
        Stream(f"{scheme}://{rest}").open()


@pytest.mark.parametrize("password", ["p[a]ss", "p@ss", "[", "%5B"])
def test_a_password_is_no_part_of_the_host(password):
    with pytest.raises(SourceError, match="connection refused"):
        Stream(f"rtsp://user:{password}@127.0.0.1:1/door", timeout=2).open()
