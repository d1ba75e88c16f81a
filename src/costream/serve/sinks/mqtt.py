"""Publishes events to an MQTT broker, as Home Assistant understands them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from costream.errors import DeliveryError, SettingsError, StoreError, UnknownError
from costream.printable import printable
from costream.serve.config.model import MqttConfig
from costream.serve.config.watched import WatchedCamera
from costream.serve.events.event import Event, EventMessage
from costream.serve.sinks.base import Sink
from costream.serve.sinks.discovery import OFF, OFFLINE, ON, ONLINE, Discovery, Topics

logger = logging.getLogger("costream")

PATIENCE = 10.0
"""Seconds for which a broker may take to connect, or to acknowledge a message."""

_LONGEST_PAUSE = 60
_LARGEST_STILL = 4 * 1024**2


class MqttSink(Sink):
    """Keeps a state, ``ON`` or ``OFF``, of each question before each camera, and tells of events.

    The client's own thread connects, again whenever the broker was gone, and then publishes what
    brokers are to retain: who is there, what there is, and its states.
    """

    prompt: ClassVar[bool] = True

    def __init__(self, config: MqttConfig, still: Callable[[str], Path]) -> None:
        if not config.host:
            raise SettingsError("an mqtt sink has no host: name the broker's")
        self._config = config
        self._still = still
        self._name = printable(f"mqtt://{config.host}:{config.port}")
        self._topics = Topics(config.prefix)
        root = config.discovery
        self._discovery = None if root is None else Discovery(root, self._topics)
        self._lock = threading.Lock()
        self._known: dict[str, str] | None = None
        self._states: dict[tuple[str, str], str] = {}
        self._shown: dict[tuple[str, str], str] = {}  # events whose stills the broker has
        self._problem = "it was not reached yet"
        self._up = False
        self._client: paho.Client | None = None

    def deliver(self, message: EventMessage) -> None:
        client = self._connected()
        event = message.event
        state = OFF if message.change == "end" or event.end is not None else ON
        with self._lock:
            self._states[event.camera, event.question] = state
        text = json.dumps(message.to_dict(), ensure_ascii=False)
        attributes = json.dumps(event.to_dict(), ensure_ascii=False)
        self._publish(client, self._topic(event, "state"), state, retain=True)
        self._publish(client, self._topic(event, "attributes"), attributes, retain=True)
        if event.still and self._shown.get((event.camera, event.question)) != event.id:
            self._show(client, event)
        if message.change in self._config.changes:
            self._publish(client, self._topic(event, "event"), text, retain=False)

    def announce(self, cameras: Sequence[WatchedCamera]) -> None:
        with self._lock:
            self._known = {} if self._discovery is None else dict(self._discovery.messages(cameras))
            pairs = [(camera.id, q.id) for camera in cameras for q in camera.questions]
            self._states = {pair: self._states.get(pair, OFF) for pair in pairs}
        client = self._start()
        if client.is_connected():
            self._greet(client)

    def close(self) -> None:
        if self._client is None:
            return
        if self._client.is_connected():
            said = self._client.publish(self._topics.status, OFFLINE, qos=1, retain=True)
            said.wait_for_publish(1.0)
        self._client.disconnect()
        self._client.loop_stop()
        self._client = None

    def _topic(self, event: Event, what: str) -> str:
        return self._topics.of(event.camera, event.question, what)

    def _show(self, client: paho.Client, event: Event) -> None:
        """Publishes an event's still, if it is there and of a size that brokers take."""
        try:
            file = self._still(event.id)
            if file.stat().st_size > _LARGEST_STILL:
                return
            picture = file.read_bytes()
        except (UnknownError, StoreError, OSError) as error:
            logger.info("the still of event %s is not published: %s", event.id, error)
            return
        self._publish(client, self._topic(event, "image"), picture, retain=True)
        self._shown[event.camera, event.question] = event.id

    def _publish(self, client: paho.Client, topic: str, payload: str | bytes, retain: bool) -> None:
        """Publishes and waits until the broker has it."""
        sent = client.publish(topic, payload, qos=1, retain=retain)
        try:
            sent.wait_for_publish(PATIENCE)
        except (ValueError, RuntimeError):
            raise DeliveryError(f"{self._name} was lost: {self._problem}") from None
        if not sent.is_published():
            raise DeliveryError(f"{self._name} did not acknowledge a message in time")

    def _connected(self) -> paho.Client:
        client = self._start()
        if not client.is_connected():
            raise DeliveryError(f"{self._name} is not connected: {self._problem}")
        return client

    def _start(self) -> paho.Client:
        if self._client is None:
            self._client = self._make()
            self._client.connect_async(self._config.host, self._config.port)
            self._client.loop_start()
        return self._client

    def _make(self) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2)
        password = self._config.password
        if self._config.username is not None:
            secret = None if password is None else password.get_secret_value()
            client.username_pw_set(self._config.username, secret)
        if self._config.tls:
            client.tls_set()
        client.will_set(self._topics.status, OFFLINE, qos=1, retain=True)
        client.connect_timeout = PATIENCE
        # What a broker sends, such as a topic that is no UTF-8, must not end the client's thread.
        client.suppress_exceptions = True
        client.enable_logger(logger)
        client.reconnect_delay_set(1, _LONGEST_PAUSE)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _greet(self, client: paho.Client) -> None:
        """Publishes all, and asks for what an earlier configuration may have left behind."""
        self._publish_all(client)
        if self._discovery is not None:
            for topic in (self._discovery.birth, *self._discovery.all):
                client.subscribe(topic, qos=1)

    def _publish_all(self, client: paho.Client) -> None:
        """Publishes what a broker retains, without waiting."""
        with self._lock:
            known, states = dict(self._known or {}), dict(self._states)
        for topic, text in known.items():
            client.publish(topic, text, qos=1, retain=True)
        for (camera, question), state in states.items():
            client.publish(self._topics.of(camera, question, "state"), state, qos=1, retain=True)
        client.publish(self._topics.status, ONLINE, qos=1, retain=True)

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if code.is_failure:
            self._problem = f"it said: {printable(str(code))}"
            return
        self._up = True
        self._greet(client)

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        self._problem = "it can't be reached"

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if self._up:  # a broker that refuses says why before it ends the connection
            self._problem = f"the connection ended: {printable(str(code))}"
        self._up = False

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        """Answers Home Assistant's start, and clears what an earlier configuration left behind."""
        if self._discovery is not None and message.topic == self._discovery.birth:
            if message.payload == ONLINE.encode():
                self._publish_all(client)
            return
        with self._lock:
            stale = self._known is not None and message.topic not in self._known
        if stale and message.retain and message.payload:
            client.publish(message.topic, b"", qos=1, retain=True)
