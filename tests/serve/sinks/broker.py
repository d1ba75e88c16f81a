"""A mosquitto of a test's own, and a client that listens to it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.serve.waiting import until

USER, PASSWORD = "costream", "verysecret"


class Broker:
    """Listens on a port of the loopback, and keeps nothing when it is stopped.

    Attributes:
        port: where it listens.
    """

    def __init__(self, folder: Path) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        passwords = shutil.which("mosquitto_passwd")
        if program is None or passwords is None:
            pytest.skip("mosquitto is not installed")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        users = folder / "users"
        subprocess.run([passwords, "-b", "-c", users, USER, PASSWORD], check=True)
        users.chmod(0o644)
        folder.chmod(0o755)
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {self.port} 127.0.0.1\npassword_file {users}\npersistence false\nuser root\n"
        )
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [self._program, "-c", str(self._settings)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._listens)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """Keeps the last message of every topic, and all of them in order."""

    def __init__(self, broker: Broker) -> None:
        self.last: dict[str, bytes] = {}
        self.all: list[tuple[str, bytes]] = []
        self.retained: set[str] = set()
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(USER, PASSWORD)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._take
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(30)

    def text(self, topic: str) -> str:
        return self.last.get(topic, b"").decode()

    def json(self, topic: str) -> Any:
        return json.loads(self.last[topic])

    def publish(self, topic: str, payload: str, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(30)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.last[message.topic] = message.payload
        self.all.append((message.topic, message.payload))
        if message.retain:
            self.retained.add(message.topic)
