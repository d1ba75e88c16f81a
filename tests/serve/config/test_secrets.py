"""Secrets come from outside, and are shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from costream.errors import SettingsError
from costream.serve.config.document import MOST_SECRET
from costream.serve.config.substitution import is_substituted, substituted
from tests.serve.config.files import config, read, told

SECRET = "hunter2-secret"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain $ text", "plain $ text"),
        ("a${X}b", "a1b"),
        ("${X}${X}", "11"),
        ("${NONE:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY}", ""),
        ("${NONE:-}", ""),
        ("$${X}", "${X}"),
        ("${X:-${y}", "1"),
        ("$$${X}", "$${X}"),
    ],
)
def test_what_stands_for_what(text: str, found: str) -> None:
    assert substituted(text, {"X": "1", "EMPTY": ""}) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NONE}", "the environment has no variable NONE: set it, or write ${NONE:-default}"),
        ("${}", "write ${NAME} or"),
        ("${X", "write ${NAME} or"),
        ("${a b}", "write ${NAME} or"),
    ],
)
def test_what_stands_for_nothing(text: str, message: str) -> None:
    assert is_substituted(text)
    with pytest.raises(SettingsError) as caught:
        substituted(text, {"X": "1"})
    assert message in str(caught.value)


def test_values_that_were_put_in_are_read_as_what_is_needed(tmp_path: Path) -> None:
    environment = {"PORT": "81", "URL": "rtsp://u:p@host/1", "WAIT": "5m", "ON": "no"}
    found = config(
        tmp_path,
        """
        server: {port: "${PORT}"}
        cameras: {a: {url: "${URL}", timeout: "${WAIT}", enabled: "${ON}"}}
        """,
        environment,
    )
    assert found.server.port == 81
    assert found.cameras["a"].url == "rtsp://u:p@host/1"
    assert (found.cameras["a"].timeout, found.cameras["a"].enabled) == (300, False)


def test_a_missing_variable_is_an_error_at_its_line(tmp_path: Path) -> None:
    lines = told(read(tmp_path, "cameras:\n  a:\n    url: rtsp://u:${DOOR}@host/1\n"))
    assert lines == [
        "cameras.yaml:3: cameras.a.url: the environment has no variable DOOR: set it, or write "
        "${DOOR:-default}"
    ]


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    found = config(tmp_path, "sinks: {m: {type: mqtt, host: x, password: !file password}}")
    sink = found.sinks["m"]
    assert sink.type == "mqtt" and sink.password is not None
    assert sink.password.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "can't read the file"),
        (b"\xff", "is not text in UTF-8"),
        (b"x" * (MOST_SECRET + 1), "is larger than a secret is"),
    ],
)
def test_a_file_that_no_value_comes_from(tmp_path: Path, data: bytes | None, message: str) -> None:
    if data is not None:
        (tmp_path / "password").write_bytes(data)
    lines = told(
        read(tmp_path, "sinks:\n  m:\n    {type: mqtt, host: x, password: !file password}")
    )
    assert len(lines) == 1
    assert lines[0].startswith("cameras.yaml:3: sinks.m.password: ") and message in lines[0]


SHOWN_NOWHERE = [
    "server: {token: '${S}', port: '${S}', host: '${S}', hosts: ['${S}:1'], origins: ['${S}']}",
    "server: {camera_networks: ['${S}'], camera_schemes: ['${S}'], tls_key: '${S}'}",
    "timezone: ${S}",
    "model: ${S}",
    "engine: {device: '${S}', dtype: '${S}', settings: {pruner: '${S}', fps: '${S}'}}",
    "cameras: {a: {url: '${S}', transport: '${S}', timeout: '${S}', enabled: '${S}'}}",
    "cameras: {a: {url: 'nope://u:${S}@host/1'}}",
    "cameras: {a: {url: 'rtsp://u:${S}@:x/1'}}",
    "cameras: {a: {url: 'rtsp://u:hunter2-secret@:x/1'}}",
    "cameras: {a: {url: push, credentials_file: '${S}', questions: ['${S}']}}",
    "sinks: {a: {type: webhook, url: {a: hunter2-secret}, secret: [hunter2-secret]}}",
    "sinks: {a: {type: mqtt, host: x, password: [hunter2-secret], port: '${S}'}}",
    "sinks: {a: {type: webhook, url: x, headers: {A: [hunter2-secret]}}}",
    "store: {url: 'hunter2-secret'}",
    "store: {keep: '${S}', max_media: '${S}'}",
]


@pytest.mark.parametrize("text", SHOWN_NOWHERE, ids=range(len(SHOWN_NOWHERE)))
def test_no_message_holds_a_secret(tmp_path: Path, text: str) -> None:
    reading = read(tmp_path, text, {"S": SECRET})
    assert not any(SECRET in line for line in told(reading)), told(reading)
    assert not any(SECRET in warning.message for warning in reading.warnings)


def test_no_repr_holds_a_secret(tmp_path: Path) -> None:
    found = config(
        tmp_path,
        f"""
        server: {{token: {SECRET}-and-more}}
        store: {{url: "postgresql+psycopg://u:{SECRET}@host/db"}}
        cameras: {{a: {{url: "rtsp://u:{SECRET}@host/1"}}}}
        sinks:
          w: {{type: webhook, url: "https://x/{SECRET}", secret: {SECRET}}}
          h: {{type: webhook, url: "https://x", headers: {{A: {SECRET}}}}}
          m: {{type: mqtt, host: x, password: {SECRET}}}
        """,
    )
    assert SECRET not in repr(found)
    assert SECRET not in str(found)
