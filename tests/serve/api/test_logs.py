from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest
from fastapi.testclient import TestClient

from costream.serve.logs import JsonFormatter, TextFormatter
from tests.serve.api.conftest import BEARER, TOKEN
from tests.serve.fakes import FakeBackend

ACCESS = "costream.serve.api.access_log"


def test_a_request_is_a_line_without_secrets(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, ACCESS):
        client.get("/api/cameras?token=hunter2", headers=BEARER)
        client.post("/api/login", json={"token": TOKEN})
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    first = lines[0]
    assert (first["method"], first["path"], first["status"]) == ("GET", "/api/cameras", 200)
    assert first["ms"] > 0
    assert first["time"].endswith("Z")
    assert "hunter2" not in caplog.text
    assert TOKEN not in caplog.text


def test_a_path_makes_no_further_lines(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, ACCESS):
        client.get("/api/cameras/%0aERROR%20forged%1b[2J" + "x" * 1000)
    text = TextFormatter().format(caplog.records[0])
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 400


def test_what_went_wrong_is_in_the_log_alone(
    client: TestClient,
    backend: FakeBackend,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backend, "sinks", lambda: 1 / 0)
    with caplog.at_level(logging.DEBUG, ACCESS):
        assert client.get("/api/sinks").status_code == 500
    assert caplog.records[0].__dict__["fields"]["status"] == 500


def test_an_error_keeps_its_traceback() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "it failed", (), sys.exc_info())
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["message"]) == ("error", "it failed")
    assert "ValueError: why" in line["error"]
    text = TextFormatter().format(record)
    assert text.splitlines()[0].endswith("ERROR it failed")
    assert text.splitlines()[-1] == "ValueError: why"


@pytest.mark.parametrize("as_json", [False, True])
def test_the_log_goes_to_standard_error(as_json: bool) -> None:
    program = (
        "import logging; from costream.serve.logs import log_to_stderr;"
        f"log_to_stderr(as_json={as_json}); logging.getLogger('costream').info('here %d', 1);"
        "logging.getLogger('httpx').info('https://hook.example/secret')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert (json.loads(line)["message"] if as_json else line.partition("INFO ")[2]) == "here 1"
