"""User and password: where they are read, where they go, and where they never show."""

import base64
import hashlib
import re

import pytest

from costream.errors import SettingsError, SourceError
from costream.video import Credentials, Stream
from tests.video.encode import encode, panning
from tests.video.site import Page, serving

ODD = [
    ("admin", "plain"),
    ("a@b", "p@:/#%? &+"),
    ("jürgen", "pässwörd€"),
    ("us/er%41", "%41:x"),
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> bytes:
    return encode(tmp_path_factory.mktemp("clip") / "a.ts", panning(10)).read_bytes()


def test_the_first_line_of_a_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text("admin:pass:word \nsomething else\n", encoding="utf-8")
    path.chmod(0o600)
    assert Credentials.read(path) == Credentials("admin", "pass:word ")
    path.write_bytes("\ufeffjürgen:ä\r\n".encode())
    assert Credentials.read(path) == Credentials("jürgen", "ä")


def test_a_file_that_everyone_can_read_is_warned_of(tmp_path, caplog):
    path = tmp_path / "secret"
    path.write_text("admin:hunter2")
    path.chmod(0o640)
    Credentials.read(path)
    assert caplog.messages == []
    path.chmod(0o644)
    Credentials.read(path)
    assert caplog.messages == [f"every user can read the credentials file {path}: chmod 600 it"]


@pytest.mark.parametrize(
    "content", [b"", b"hunter2", b":hunter2", b"\n", b"a:hunter2\x00", b"\xff:x"]
)
def test_a_file_of_another_form_is_one_sentence_that_does_not_repeat_it(tmp_path, content):
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="credentials file") as caught:
        Credentials.read(path)
    assert "hunter2" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_can_not_be_read(tmp_path):
    with pytest.raises(SettingsError, match="no such file"):
        Credentials.read(tmp_path / "none")
    with pytest.raises(SettingsError, match="is a directory"):
        Credentials.read(tmp_path)


def test_the_environment(monkeypatch):
    monkeypatch.delenv("COSTREAM_CREDENTIALS", raising=False)
    assert Credentials.from_environment() is None
    monkeypatch.setenv("COSTREAM_CREDENTIALS", "admin:x:y")
    assert Credentials.from_environment() == Credentials("admin", "x:y")
    monkeypatch.setenv("COSTREAM_CREDENTIALS", "hunter2")
    with pytest.raises(SettingsError, match="COSTREAM_CREDENTIALS does not hold") as caught:
        Credentials.from_environment()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://h/1", "rtsp://a%40b:p%2F%3A@h/1"),
        ("RTSPS://h", "RTSPS://a%40b:p%2F%3A@h"),
        ("http://h:80/a@b?c@d", "http://a%40b:p%2F%3A@h:80/a@b?c@d"),
        ("rtmp://h/1", "rtmp://a%40b:p%2F%3A@h/1"),
        ("rtsp://own@h/1", "rtsp://own@h/1"),
        ("rtsp://own:x@h/1", "rtsp://own:x@h/1"),
        ("udp://h:1", "udp://h:1"),
        ("a.mp4", "a.mp4"),
        ("-", "-"),
    ],
)
def test_they_go_into_urls_that_name_no_user(url, expected):
    assert Credentials("a@b", "p/:").into(url) == expected


def test_what_goes_into_a_url_comes_out_again():
    for user, password in ODD:
        given = Credentials(user, password)
        assert Credentials.split(given.into("http://h:1/a?b@c")) == ("http://h:1/a?b@c", given)


def protected(clip: bytes, user: str, password: str, kind: str):
    """A page for those who know a password; users and passwords are UTF-8 on the wire."""

    def authorized(headers: dict[str, str]) -> bool:
        given = headers.get("Authorization", "")
        if kind == "basic":
            plain = base64.b64decode(given.removeprefix("Basic "))
            return plain == f"{user}:{password}".encode()
        fields = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', given))
        if fields.get("username", "").encode("latin-1") != user.encode():
            return False
        first = hashlib.md5(f"{user}:cam:{password}".encode()).hexdigest()
        second = hashlib.md5(f"GET:{fields['uri']}".encode()).hexdigest()
        text = f"{first}:{fields['nonce']}:{second}"
        return fields["response"] == hashlib.md5(text.encode()).hexdigest()

    challenge = {"basic": 'Basic realm="cam"', "digest": 'Digest realm="cam", nonce="n"'}[kind]

    def page(headers: dict[str, str]) -> Page:
        if authorized(headers):
            return Page(clip, "video/mp2t")
        return Page(status=401, headers={"WWW-Authenticate": challenge})

    return page


@pytest.mark.parametrize(("user", "password"), ODD)
@pytest.mark.parametrize("kind", ["basic", "digest"])
def test_a_web_server_that_asks_for_a_password(clip, user, password, kind):
    with serving() as site:
        site.pages["/a.ts"] = protected(clip, user, password, kind)
        url = f"{site.url}/a.ts"
        for settings in (
            {"source": url, "credentials": Credentials(user, password)},
            {"source": Credentials(user, password).into(url)},
        ):
            with Stream(**settings, timeout=5) as stream:
                assert len(list(stream.frames())) == 10
        for credentials in (None, Credentials(user, "wrong")):
            with pytest.raises(SourceError, match="the server answers 401"):
                Stream(url, credentials=credentials, timeout=5).open()


@pytest.mark.parametrize("kind", ["basic", "digest"])
def test_a_wrong_password_is_tried_once(clip, kind):
    with serving() as site:
        site.pages["/a.ts"] = protected(clip, "admin", "x", kind)
        with pytest.raises(SourceError, match="the server answers 401"):
            Stream(f"{site.url}/a.ts", credentials=Credentials("admin", "y"), timeout=5).open()
        assert len(site.hits) == 2


def test_a_challenge_of_an_unknown_kind_is_passed_over(clip):
    with serving() as site:
        site.pages["/a.ts"] = Page(status=401, headers={"WWW-Authenticate": "Bearer"})
        with pytest.raises(SourceError, match="the server answers 401"):
            Stream(f"{site.url}/a.ts", credentials=Credentials("admin", "y"), timeout=5).open()


@pytest.mark.parametrize("kind", ["basic", "digest"])
def test_no_other_host_is_told(clip, kind):
    with serving() as site, serving() as other:
        other.pages["/a.ts"] = protected(clip, "admin", "x", kind)
        site.pages["/a.ts"] = Page(status=302, headers={"Location": f"{other.url}/a.ts"})
        with pytest.raises(SourceError, match="401"):
            Stream(f"{site.url}/a.ts", credentials=Credentials("admin", "x"), timeout=5).open()
        assert other.hits and all("Authorization" not in headers for headers in other.asked)


def everything_of(error: BaseException | None) -> str:
    """All that a crash report could show of an error and of those behind it."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "".join(texts)


@pytest.mark.parametrize("scheme", ["rtsp", "http", "https", "rtmp", "rtsps"])
def test_they_show_nowhere(scheme, caplog):
    credentials = Credentials("admin", "hunter2@/:")
    assert "hunter2" not in repr(credentials)
    stream = Stream(f"{scheme}://127.0.0.1:9/x", credentials=credentials, timeout=2)
    with pytest.raises(SourceError) as caught:
        stream.open()
    assert "hunter2" not in everything_of(caught.value) + repr(stream) + caplog.text
    with pytest.raises(SourceError) as caught:
        Stream(f"{scheme}://admin:hunter2@127.0.0.1:9/x?token=hunter2", timeout=2).open()
    assert "hunter2" not in everything_of(caught.value)
