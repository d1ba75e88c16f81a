"""An edge and a receiver behind TLS: whom the edge trusts, and what others learn of it."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from costream.edge.messages import Session
from costream.edge.receiver import Receiver
from costream.edge.wire import SESSION, record
from costream.errors import RejectedError
from tests.edge.rig import PATIENCE, TOKEN, Edge, EdgeBackend, Reader, at_the_camera, server, until
from tests.serve.api.conftest import served

PUSH = "/api/cameras/door/push"
HELLO = record(SESSION, Session("edge", "", 0).encode())


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and a certificate that it gave to 127.0.0.1."""

    trusted: Path
    certificate: Path
    key: Path


def authority(folder: Path) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make certificates with")
    folder.mkdir()

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    new = "-newkey", "rsa:2048", "-nodes"
    own = "-keyout", "authority.key", "-out", "authority.pem", "-days", "2"
    openssl("req", "-x509", *new, *own, "-subj", "/CN=An authority")
    openssl("req", *new, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=127.0.0.1")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    by = "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-extfile", "names"
    openssl("x509", "-req", "-in", "request.pem", *by, "-days", "2", "-out", "certificate.pem")
    return Authority(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return authority(tmp_path / "ours")


@pytest.fixture
def url(backend: EdgeBackend, ours: Authority) -> Iterator[str]:
    tls = {"tls_certificate": str(ours.certificate), "tls_key": str(ours.key)}
    with served(backend, server(**tls)) as address:
        assert address.startswith("https://")
        yield address


def test_a_camera_comes_through_where_the_authority_is_trusted(
    backend: EdgeBackend, url: str, ours: Authority, quiet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.trusted))
    expected = at_the_camera(quiet, "auto")
    reader, edge = Reader(backend.port), Edge(quiet, url + PUSH, decode="auto")
    until(lambda: len(reader.seen) == len(expected) or edge.errors)
    edge.stop()
    assert not edge.errors
    assert reader.seen == expected


def test_another_authority_s_receiver_is_refused_in_a_sentence(
    url: str, tmp_path: Path, quiet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority(tmp_path / "others").trusted))
    edge = Edge(quiet, url + PUSH, decode="auto")
    until(lambda: edge.errors)
    edge.stop()
    assert [type(error) for error in edge.errors] == [RejectedError]
    told = str(edge.errors[0])
    assert told.startswith("can't reach 127.0.0.1: its certificate is not trusted (")
    assert "SSL_CERT_FILE" in told and len(told.splitlines()) == 1
    assert TOKEN not in told


@pytest.mark.parametrize("trusted", [True, False])
def test_who_is_not_trusted_learns_nothing_of_the_token(
    ours: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    trusts = ours if trusted else authority(tmp_path / "others")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusts.trusted))
    with Eavesdropper(ours) as there:
        receiver = Receiver(f"https://127.0.0.1:{there.port}{PUSH}", TOKEN, 5.0)
        with pytest.raises(RejectedError):
            receiver.send([HELLO])
        there.join(PATIENCE)
    assert not there.is_alive()
    # Where it is trusted the token comes, so that what is looked for would be found.
    assert (TOKEN.encode() in there.heard) is trusted
    assert bool(there.heard) is trusted


@pytest.mark.parametrize("name", ["localhost", "127.0.0.2"])
def test_a_certificate_of_another_name_is_refused(
    ours: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.trusted))
    with Eavesdropper(ours, host="0.0.0.0") as there:
        receiver = Receiver(f"https://{name}:{there.port}{PUSH}", TOKEN, 5.0)
        with pytest.raises(RejectedError, match="is not trusted"):
            receiver.send([HELLO])
        there.join(PATIENCE)
    assert not there.heard


class Eavesdropper(threading.Thread):
    """Takes one connection, has it prove nothing, notes what it says, and refuses it."""

    def __init__(self, identity: Authority, host: str = "127.0.0.1") -> None:
        super().__init__(daemon=True)
        self._server = socket.create_server((host, 0))
        self.port = self._server.getsockname()[1]
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(identity.certificate, identity.key)
        self.heard = b""

    def __enter__(self) -> Eavesdropper:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.close()

    def run(self) -> None:
        near, _ = self._server.accept()
        with near, suppress(OSError):
            near.settimeout(PATIENCE)
            with self._context.wrap_socket(near, server_side=True) as told:
                while not self.heard.endswith(HELLO):
                    piece = told.recv(1 << 14)
                    if not piece:
                        return
                    self.heard += piece
                told.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
