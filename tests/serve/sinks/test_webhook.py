"""Webhooks against a real server."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from costream.errors import DeliveryError, RejectedError, SettingsError
from costream.serve.config.model import WebhookConfig
from costream.serve.events.event import EventMessage
from costream.serve.sinks.refusals import REFUSALS
from costream.serve.sinks.webhook import WebhookSink
from tests.serve.sinks.messages import a_message
from tests.serve.sinks.receiver import Receiver, Request


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def a_sink(receiver: Receiver, **fields: Any) -> WebhookSink:
    values = {"type": "webhook", "url": receiver.url, **fields}
    return WebhookSink(WebhookConfig.model_validate(values))


def test_a_message_arrives_whole(receiver: Receiver) -> None:
    sink = a_sink(receiver, headers={"X-Site": "north"})
    message = a_message(sentence="Jemand läuft.")
    sink.deliver(message)
    sink.close()
    (request,) = receiver.requests
    assert json.loads(request.body) == message.to_dict()
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-site"] == "north"
    assert request.headers["idempotency-key"] == f"{message.event.id}:new"
    assert "x-costream-signature" not in request.headers


def test_a_signature_can_be_checked(receiver: Receiver) -> None:
    sink = a_sink(receiver, secret="s3cret")
    sink.deliver(a_message())
    sink.close()
    (request,) = receiver.requests
    parts = dict(part.split("=", 1) for part in request.headers["x-costream-signature"].split(","))
    signed = parts["t"].encode() + b"." + request.body
    assert parts["v1"] == hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()


def signed_request(receiver: Receiver) -> Request:
    sink = a_sink(receiver, secret="s3cret")
    sink.deliver(a_message(sentence="Zwei Türen."))
    sink.close()
    (request,) = receiver.requests
    return request


def example(language: str) -> str:
    text = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
    return text.split(f"```{language}\n")[1].split("```")[0]


def test_the_documented_check_in_python_works(receiver: Receiver) -> None:
    request = signed_request(receiver)
    names: dict[str, Any] = {}
    exec(example("python"), names)
    header = request.headers["x-costream-signature"]
    assert names["genuine"](b"s3cret", header, request.body)
    assert not names["genuine"](b"s3cret", header, request.body, oldest=-1)
    assert not names["genuine"](b"other", header, request.body)
    assert not names["genuine"](b"s3cret", header, request.body + b" ")


def test_the_documented_check_in_a_shell_works(receiver: Receiver, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    request = signed_request(receiver)
    (tmp_path / "body.json").write_bytes(request.body)
    header = request.headers["x-costream-signature"]
    for secret, words in [("s3cret", "genuine\n"), ("other", "")]:
        variables = {"SECRET": secret, "HEADER": header}
        ran = subprocess.run(
            ["sh", "-c", example("sh")],
            env={**os.environ, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert ran.stdout == words


def test_keys_tell_messages_apart_and_stay_when_one_is_sent_again(receiver: Receiver) -> None:
    sink = a_sink(receiver)
    event = a_message().event
    changes: list[tuple[Any, float]] = [("new", 1), ("update", 2), ("update", 3), ("end", 4)]
    for change, at in changes:
        for _ in range(2):
            sink.deliver(EventMessage(change, event, at))
    sink.close()
    keys = [request.headers["idempotency-key"] for request in receiver.requests]
    assert keys[::2] == keys[1::2]
    assert len(set(keys)) == 4


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_trouble_of_the_receiver_is_never_the_end_of_a_message(
    receiver: Receiver, status: int
) -> None:
    sink = a_sink(receiver)
    receiver.statuses = [status] * 20
    for _ in range(20):
        with pytest.raises(DeliveryError, match=str(status)) as caught:
            sink.deliver(a_message())
        assert not isinstance(caught.value, RejectedError)
    sink.close()


def test_a_receiver_that_is_gone_for_good_rejects_at_once(receiver: Receiver) -> None:
    sink = a_sink(receiver)
    receiver.statuses = [410]
    with pytest.raises(RejectedError, match="410"):
        sink.deliver(a_message())
    sink.close()


@pytest.mark.parametrize("status", [302, 400, 401, 404, 422])
def test_a_message_that_is_refused_again_and_again_is_rejected(
    receiver: Receiver, status: int
) -> None:
    sink = a_sink(receiver)
    receiver.statuses = [status] * (REFUSALS + 1)
    message = a_message()
    for _ in range(REFUSALS - 1):
        with pytest.raises(DeliveryError) as caught:
            sink.deliver(message)
        assert not isinstance(caught.value, RejectedError)
    with pytest.raises(RejectedError, match="left out"):
        sink.deliver(message)
    with pytest.raises(DeliveryError) as caught:
        sink.deliver(a_message())
    assert not isinstance(caught.value, RejectedError)
    assert receiver.seen == REFUSALS + 1  # no redirect was followed
    sink.close()


def test_errors_show_the_host_alone(receiver: Receiver) -> None:
    sink = a_sink(receiver, timeout=0.2, headers={"Authorization": "verysecret"})
    said = []
    receiver.statuses = [500]
    receiver.hang = threading.Event()
    for _ in range(2):
        with pytest.raises(DeliveryError) as caught:
            sink.deliver(a_message())
        said.append(str(caught.value))
        receiver.hang.set()
        receiver.stop()
    sink.close()
    assert "did not answer in time" in said[0]
    assert "can't be reached" in said[1]
    assert not any("verysecret" in text for text in said)


@pytest.mark.parametrize("url", ["ftp://host/", "verysecret", "http://", "http://[::1/verysecret"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="http") as caught:
        WebhookSink(WebhookConfig.model_validate({"type": "webhook", "url": url}))
    assert "verysecret" not in str(caught.value)


def test_an_answer_that_trickles_in_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_trickle, args=(server,), daemon=True).start()
        sink = WebhookSink(
            WebhookConfig(
                type="webhook",
                url=SecretStr(f"http://127.0.0.1:{server.getsockname()[1]}/"),
                timeout=0.3,
            )
        )
        begun = time.monotonic()
        with pytest.raises(DeliveryError, match="did not answer in time"):
            sink.deliver(a_message())
        assert time.monotonic() - begun < 5


def _trickle(server: socket.socket) -> None:
    """Sends the head of an answer, a letter at a time, to whoever asks first."""
    with suppress(OSError):
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                connection.sendall(b"a")
                time.sleep(0.02)
