from __future__ import annotations

import time

import pytest
from fastapi.testclient import TestClient

from costream.serve.config.model import CameraConfig
from tests.serve.fakes import FakeBackend

PUBLIC = "rtsp://viewer:hunter2@93.184.216.34/stream"


def test_cameras_are_listed_with_their_status_and_without_passwords(client: TestClient) -> None:
    answer = client.get("/api/cameras")
    cameras = answer.json()["cameras"]
    assert [camera["id"] for camera in cameras] == [f"camera-{n}" for n in range(1, 5)]
    assert cameras[0]["status"]["state"] == "watching"
    assert cameras[0]["settings"]["url"] == "rtsp://viewer:***@10.0.0.1/stream?channel=1"
    assert [question["id"] for question in cameras[0]["questions"]] == ["person", "fall"]
    assert "hunter2" not in answer.text


def test_a_camera_is_added_changed_paused_and_removed(
    owner: TestClient, backend: FakeBackend
) -> None:
    added = owner.post("/api/cameras", json={"id": "yard", "url": PUBLIC, "name": "Yard"})
    assert added.status_code == 201
    assert added.headers["location"] == "/api/cameras/yard"
    assert added.json()["source"] == "api"
    assert "hunter2" not in added.text
    changed = owner.patch("/api/cameras/yard", json={"name": "Back yard", "timeout": "20s"})
    assert changed.json()["name"] == "Back yard"
    assert backend.camera("yard").config.timeout == 20
    assert owner.patch("/api/cameras/yard", json={"timeout": None}).status_code == 200
    assert backend.camera("yard").config.timeout == 10
    assert owner.patch("/api/cameras/yard", json={"url": None}).status_code == 422
    assert owner.post("/api/cameras/yard/pause").json()["paused"] is True
    assert owner.post("/api/cameras/yard/resume").json()["status"]["state"] == "watching"
    assert owner.delete("/api/cameras/yard").status_code == 204
    assert owner.get("/api/cameras/yard").status_code == 404


def test_a_url_that_comes_back_masked_keeps_its_password(
    owner: TestClient, backend: FakeBackend
) -> None:
    shown = owner.get("/api/cameras/camera-1").json()["settings"]["url"]
    assert owner.patch("/api/cameras/camera-1", json={"url": shown}).status_code == 200
    assert "hunter2" in backend.camera("camera-1").config.url


def test_a_name_that_is_taken_is_refused(owner: TestClient) -> None:
    answer = owner.post("/api/cameras", json={"id": "camera-1", "url": PUBLIC})
    assert answer.status_code == 409
    assert answer.json() == {
        "error": {"message": "there is a camera camera-1 already: choose another name"}
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"id": "../etc", "url": PUBLIC}, "id"),
        ({"id": "yard"}, "url"),
        ({"id": "yard", "url": PUBLIC, "timeout": "soon"}, "timeout"),
        ({"id": "yard", "url": PUBLIC, "masks": {"a": [[0, 0], [1, 1]]}}, "masks.a"),
        ({"id": "yard", "url": PUBLIC, "credentials_file": "/etc/passwd"}, "credentials_file"),
        ({"id": "yard", "url": PUBLIC, "run": ["sh"]}, "run"),
    ],
)
def test_what_is_wrong_is_said_of_its_field(
    owner: TestClient, body: dict[str, object], field: str
) -> None:
    answer = owner.post("/api/cameras", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[" * 500_000,
        b'{"id": "yard", "url": "push", "timeout": ' + b"9" * 100_000 + b"}",
        b'{"id": "yard", "url": "push", "timeout": NaN}',
        b'{"id": "yard", "url": "push", "timeout": 1e999}',
        b'{"id": "yard", "url": "push", "name": "\\ud800"}',
        b'{"id": "yard", "url": "push", "name": "\xff"}',
        b'{"id": "yard", "url": "push", "zones": {"a": [[0, 0], [1, NaN], [1, 1]]}}',
    ],
)
def test_bodies_that_are_no_camera_are_refused(owner: TestClient, body: bytes) -> None:
    answer = owner.post("/api/cameras", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["message"]


def test_a_files_camera_shows_no_file_names(client: TestClient, backend: FakeBackend) -> None:
    backend.add_camera("hall", CameraConfig(url=PUBLIC, credentials_file="/etc/costream/hall"))
    assert "/etc/costream" not in client.get("/api/cameras/hall").text


def test_a_files_password_is_sent_nowhere_else(owner: TestClient, backend: FakeBackend) -> None:
    backend.add_camera("hall", CameraConfig(url=PUBLIC, credentials_file="/etc/costream/hall"))
    answer = owner.patch("/api/cameras/hall", json={"url": "rtsp://93.184.216.35/stream"})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "url"
    assert backend.camera("hall").config.url == PUBLIC
    assert owner.patch("/api/cameras/hall", json={"name": "Hall"}).status_code == 200


def test_scores_and_the_last_kept_patches_are_given(
    client: TestClient, backend: FakeBackend
) -> None:
    assert client.get("/api/cameras/camera-1/scores").json() == {"curves": {}, "kept": None}
    now = time.time()
    backend.step(now + 1)
    backend.step(now + 2)
    scores = client.get("/api/cameras/camera-1/scores").json()
    assert len(scores["curves"]["person"]) == 2
    assert (scores["kept"]["rows"], scores["kept"]["cols"]) == (6, 10)
    assert client.get("/api/cameras/nowhere/scores").status_code == 404


def test_a_still_is_sent_again_only_when_it_is_new(
    client: TestClient, backend: FakeBackend
) -> None:
    assert client.get("/api/cameras/camera-1/still.jpg").status_code == 404
    backend.step(time.time())
    first = client.get("/api/cameras/camera-1/still.jpg")
    assert first.headers["content-type"] == "image/jpeg"
    assert first.content.startswith(b"\xff\xd8")
    known = {"If-None-Match": first.headers["etag"]}
    assert client.get("/api/cameras/camera-1/still.jpg", headers=known).status_code == 304
    backend.step(time.time() + 1)
    assert client.get("/api/cameras/camera-1/still.jpg", headers=known).status_code == 200


def test_questions_are_put_and_removed(owner: TestClient, backend: FakeBackend) -> None:
    asked = {"ask": "Is there smoke?", "alerts": {"threshold": 0.7, "for": "4s"}}
    put = owner.put("/api/questions/smoke", json=asked)
    assert put.json() == {"ask": "Is there smoke?", "alerts": {"threshold": 0.7, "for": 4.0}}
    assert backend.questions()["smoke"].alerts.for_ == 4
    assert "smoke" in owner.get("/api/questions").json()["questions"]
    assert owner.delete("/api/questions/smoke").status_code == 204
    assert owner.get("/api/questions/smoke").status_code == 404
    assert owner.delete("/api/questions/smoke").status_code == 404


@pytest.mark.parametrize("odd", ["\0", "\x1b[31m", "\x85"])
def test_what_is_no_text_is_refused(owner: TestClient, backend: FakeBackend, odd: str) -> None:
    before = len(backend.cameras())
    for method, path, field, body in (
        ("PUT", "/api/questions/smoke", "ask", {"ask": f"Is{odd} it?"}),
        ("PUT", "/api/questions/smoke", "name", {"ask": "Is it?", "name": odd}),
        ("PATCH", "/api/cameras/camera-1", "name", {"name": odd}),
        ("POST", "/api/cameras", "url", {"id": "x", "url": f"rtsp://203.0.113.7/{odd}"}),
    ):
        answer = owner.request(method, path, json=body)
        assert answer.status_code == 422
        assert answer.json()["error"]["field"].endswith(field)
        assert "which is no text: leave it out" in answer.json()["error"]["message"]
    assert "smoke" not in backend.questions() and len(backend.cameras()) == before


def test_a_question_may_be_on_several_lines(owner: TestClient) -> None:
    asked = {"ask": "Is there smoke,\n\tor fire?\n"}
    assert owner.put("/api/questions/smoke", json=asked).status_code == 200


def test_the_service_says_how_it_is_doing(owner: TestClient) -> None:
    assert owner.get("/api/status").json()["cameras_fit"] == 14.5
    assert [sink["name"] for sink in owner.get("/api/sinks").json()] == ["house", "office"]
    assert owner.post("/api/reload").json() == {"changes": ["question fall: changed"]}


def test_readiness_tells_its_reasons_only_to_those_who_may_read(
    client: TestClient, backend: FakeBackend
) -> None:
    assert client.get("/readyz").json() == {"ready": True}
    backend.ready, backend.problems = False, ("the model is being loaded",)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "the model is being loaded" in answer.text
    proxied = client.get("/readyz", headers={"X-Forwarded-For": "203.0.113.7"})
    assert proxied.status_code == 503
    assert "model" not in proxied.text
    assert client.get("/healthz").text == "ok"
