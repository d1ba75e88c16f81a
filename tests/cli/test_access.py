"""Options that say how a source is reached."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from costream.cli.access import access
from costream.errors import SettingsError
from costream.lab.inspect import inspection
from costream.lab.synth import SyntheticCamera, encode
from costream.video import Credentials
from tests.cli.conftest import Command
from tests.video.site import Page, Site, serving

SMALL = ("--window", 4, "--stride", 2, "--frame-size", "128x96")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    source = SyntheticCamera(2, width=320, height=180, fps=4)
    path = tmp_path_factory.mktemp("clip") / "camera.ts"
    return encode((source.frame(i) for i in range(20)), path, fps=4).read_bytes()


@pytest.fixture
def site(clip: bytes) -> Iterator[Site]:
    def guarded(headers: dict[str, str]) -> Page:
        expected = base64.b64encode("a@b:p/:é".encode()).decode()
        if headers.get("Authorization") == f"Basic {expected}":
            return Page(clip)
        return Page(status=401, headers={"WWW-Authenticate": 'Basic realm="cam"'})

    with serving() as site:
        site.pages["/film.ts"] = Page(clip, ranges=True)
        site.pages["/live.ts"] = Page(clip, sized=False)
        site.pages["/guarded.ts"] = guarded
        yield site


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("a@b:p/:é\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def test_a_live_source_is_inspected_for_a_stated_time(
    costream: Command, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "LIVE_LIMIT", 2.0)
    url = f"{site.url}/live.ts?token=hunter2"
    result = costream("inspect", url, "--json")
    shown = f"{site.url}/live.ts?token=***"
    told = f"costream: {shown} is live: 2 s of it are read, unless a limit says otherwise\n"
    assert (result.status, result.err) == (0, told)
    assert json.loads(result.out)["frames"] == 8
    assert json.loads(result.out)["source"] == shown
    result = costream("inspect", url, "--json", "--limit", 3)
    assert (result.status, result.err) == (0, "")
    assert json.loads(result.out)["frames"] == 12


def test_a_source_with_an_end_is_inspected_to_it(
    costream: Command, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "LIVE_LIMIT", 2.0)
    result = costream("inspect", f"{site.url}/film.ts", "--json")
    assert (result.status, result.err) == (0, "")
    assert json.loads(result.out)["frames"] == 20


@pytest.mark.parametrize("command", ["run", "inspect"])
def test_credentials_come_from_a_file_or_the_environment(
    costream: Command,
    site: Site,
    secret: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.delenv("COSTREAM_CREDENTIALS", raising=False)
    model = ("--ask", "Is it?", "--model", checkpoint, *SMALL) if command == "run" else ()
    args = (command, f"{site.url}/guarded.ts", "--json", *model)
    limit = () if command == "run" else ("--limit", 60)
    refused = costream(*args, *limit)
    assert refused.status == 1
    assert refused.err.endswith("the server answers 401 Unauthorized\n")
    by_file = costream(*args, *limit, "--credentials", secret)
    assert (by_file.status, by_file.err) == (0, "")
    monkeypatch.setenv("COSTREAM_CREDENTIALS", "a@b:p/:é")
    by_environment = costream(*args, *limit)
    assert (by_environment.status, by_environment.err) == (0, "")
    assert "p/:é" not in by_file.out + by_environment.out
    monkeypatch.setenv("COSTREAM_CREDENTIALS", "x:wrong")
    assert costream(*args, *limit, "--credentials", secret).status == 0


@pytest.mark.parametrize("command", ["run", "inspect"])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--rtsp-transport", "tpc"), "unknown RTSP transport 'tpc': choose tcp, udp, http, udp_"),
        (("--timeout", 0), "the timeout must be a positive number of seconds, not 0"),
        (("--timeout", "nan"), "the timeout must be a positive number of seconds, not nan"),
        (("--timeout", "inf"), "the timeout must be a positive number of seconds, not inf"),
        (("--credentials", "/nowhere/file"), "can't read the credentials file /nowhere/file: no"),
    ],
)
def test_wrong_options_are_one_sentence(
    costream: Command, checkpoint: Path, command: str, options: tuple[object, ...], told: str
) -> None:
    model = ("--ask", "Is it?", "--model", checkpoint) if command == "run" else ()
    result = costream(command, "rtsp://127.0.0.1:9/x", *options, *model)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"costream: {told}") and result.err.count("\n") == 1


def test_options_become_arguments_of_a_stream(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COSTREAM_CREDENTIALS", raising=False)
    assert access("rtsp://camera/1", "udp", 3.0, secret) == {
        "timeout": 3.0,
        "options": {"rtsp_transport": "udp"},
        "credentials": Credentials("a@b", "p/:é"),
        "reach": "local",
    }
    assert access("a.mp4", None, 10.0, None)["credentials"] is None
    for source in ("a.mp4", "-", "rtsp://user@camera/1"):
        with pytest.raises(SettingsError, match="--credentials is for"):
            access(source, None, 10.0, secret)


def test_a_timeout_is_kept(costream: Command) -> None:
    result = costream("inspect", "udp://127.0.0.1:1", "--timeout", 0.3)
    assert result.status == 1
    assert result.err == "costream: can't open udp://127.0.0.1:1: no data for 0.3 s\n"


@pytest.mark.parametrize(
    ("source", "standard_input", "told"),
    [
        ("-", "<&-", "can't read standard input: it is closed"),
        ("fifo", "", "can't open fifo: no data for 0.5 s"),
    ],
)
def test_pipes_that_bring_nothing(
    tmp_path: Path, source: str, standard_input: str, told: str
) -> None:
    (tmp_path / "run").write_text("from costream.cli import main; main()")
    subprocess.run(["mkfifo", "fifo"], cwd=tmp_path, check=True)
    command = f"exec {sys.executable} run inspect {source} --timeout 0.5 {standard_input}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"costream: {told}\n")
