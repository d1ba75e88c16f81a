"""Uploads: bounded, kept until they expire, and never more than a file of ours."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from costream.serve.api import chat_uploads
from costream.serve.api.chat_errors import ApiError
from costream.serve.api.chat_uploads import Uploads
from tests.serve.chat.service import Service

BOUNDARY = {"Content-Type": "multipart/form-data; boundary=x"}


def names(service: Service) -> set[str]:
    return {path.name for path in (service.folder / "uploads").glob("*")}


def part(name: str, data: bytes, file: str | None = None) -> bytes:
    named = f'; filename="{file}"' if file is not None else ""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + data + b"\r\n"


END = b"--x--\r\n"


def test_a_file_comes_in_any_cut_and_goes(url: str, service: Service) -> None:
    form = part("purpose", b"vision") + part("file", b"a\r\n--y" * 99, "../../é\n.mp4") + END

    def trickled() -> Iterator[bytes]:
        yield from (form[at : at + 7] for at in range(0, len(form), 7))

    answer = httpx.post(f"{url}/v1/files", content=trickled(), headers=BOUNDARY)
    file = answer.json()
    assert (answer.status_code, file["bytes"]) == (200, 99 * 6)
    assert (service.folder / "uploads" / file["id"]).read_bytes() == b"a\r\n--y" * 99
    assert names(service) == {file["id"], f"{file['id']}.json"}
    assert file["expires_at"] - file["created_at"] == chat_uploads.KEPT
    assert httpx.delete(f"{url}/v1/files/{file['id']}").json()["deleted"]
    assert httpx.get(f"{url}/v1/files/{file['id']}").status_code == 404
    assert not names(service)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        (b"", 400),
        (b"no form", 400),
        (part("purpose", b"vision") + END, 400),
        (part("file", b"x") + END, 400),
        (part("file", b"x", "a") + part("file", b"y", "b") + END, 400),
        (part("file", b"x", "a") + part("purpose", b"fine-tune") + END, 400),
        (part("file", b"x", "a") + part("more", b"y" * 5000) + END, 400),
        (part("file", b"x", "a"), 400),
        (part("file", b"x" * ((1 << 20) + 1), "a") + END, 413),
    ],
)
def test_forms_that_can_t_be_taken_leave_nothing_behind(
    url: str, service: Service, form: bytes, status: int
) -> None:
    answer = httpx.post(f"{url}/v1/files", content=form, headers=BOUNDARY)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert not names(service)


def test_what_says_it_is_too_large_is_not_waited_for(url: str) -> None:
    head = f"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: {10 << 30}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), 30) as connection:
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(100)


def test_an_endless_body_is_cut_off(url: str, service: Service) -> None:
    def endless() -> Iterator[bytes]:
        yield part("file", b"", "a")[:-2]
        for _ in range(4000):
            yield bytes(65536)

    try:
        answer = httpx.post(f"{url}/v1/files", content=endless(), headers=BOUNDARY)
        assert answer.status_code == 413
    except httpx.HTTPError:
        # The server may close the connection while the client still sends.
        pass
    assert not names(service)


def upload(uploads: Uploads, data: bytes) -> str:
    with uploads.incoming(len(data)) as (id, incoming):
        incoming.write(data)
        incoming.flush()
        return uploads.keep(id, incoming, "a.mp4", "vision").id


def test_uploads_are_bounded_together(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads", 100)
    kept = [upload(uploads, bytes(90)) for _ in range(4)]
    with pytest.raises(ApiError, match="no room") as refused:
        upload(uploads, bytes(90))
    assert refused.value.status == 413
    with pytest.raises(ApiError, match="at most"), uploads.incoming() as (_, incoming):
        incoming.write(bytes(41))
    uploads.remove(kept[0])
    assert upload(uploads, bytes(90)) and len(uploads.list()) == 4


def test_they_expire_and_what_a_crash_left_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "uploads"
    uploads = Uploads(folder, 100)
    first = upload(uploads, b"x")
    (folder / "file-0123.part").write_bytes(b"half")
    (folder / "file-0456").write_bytes(b"no note")
    (folder / "file-0789.json").write_text("{")
    # A further service on the folder knows what is complete.
    again = Uploads(folder, 100)
    assert [known.id for known in again.list()] == [first]
    note = folder / f"{first}.json"
    values = json.loads(note.read_text())
    note.write_text(json.dumps({**values, "created": values["created"] - chat_uploads.KEPT - 1}))
    monkeypatch.setattr(chat_uploads, "_age", lambda path, now: 61.0)
    assert again.list() == [] and not list(folder.iterdir())


def test_a_disk_that_takes_nothing_is_said(
    url: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    answer = httpx.post(f"{url}/v1/files", files={"file": ("a.mp4", b"video")})
    assert answer.status_code == 507 and answer.json()["error"]["code"] == "no_room"
    body = {
        "model": service.model,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
                    {"type": "text", "text": "What happens?"},
                ],
            }
        ],
    }
    assert httpx.post(f"{url}/v1/chat/completions", json=body).status_code == 507
