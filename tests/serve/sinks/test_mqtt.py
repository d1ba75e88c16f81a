"""MQTT against a real broker, as Home Assistant sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from costream.errors import DeliveryError, SettingsError, UnknownError
from costream.serve.config.model import MqttConfig, StoreConfig
from costream.serve.events.event import Event, EventMessage
from costream.serve.sinks.dispatcher import Dispatcher
from costream.serve.sinks.mqtt import MqttSink
from costream.serve.sinks.outlet import make_outlet
from costream.serve.store.store import Store
from tests.serve.events.watched import a_camera, a_question
from tests.serve.sinks.broker import PASSWORD, USER, Broker, Listener
from tests.serve.sinks.messages import a_message
from tests.serve.store.records import a_record
from tests.serve.waiting import until

STATE = "costream/door/person/state"
CONFIG = "homeassistant/binary_sensor/costream/door-Q-person/config"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    listener = Listener(broker)
    yield listener
    listener.close()


def a_config(broker: Broker, **fields: Any) -> MqttConfig:
    values = {
        "type": "mqtt",
        "host": "127.0.0.1",
        "port": broker.port,
        "username": USER,
        "password": PASSWORD,
        **fields,
    }
    return MqttConfig.model_validate(values)


def no_still(id: str) -> Path:
    raise UnknownError("there is none")


@pytest.fixture
def sink(broker: Broker) -> Iterator[MqttSink]:
    sink = MqttSink(a_config(broker), no_still)
    yield sink
    sink.close()


def test_cameras_are_devices_and_questions_their_sensors(
    sink: MqttSink, listener: Listener
) -> None:
    sink.announce([a_camera("door", a_question("person"), a_question("car"))])
    until(lambda: listener.text("costream/status") == "online")
    sensor = listener.json(CONFIG)
    assert sensor["name"] == "Question person"
    assert sensor["state_topic"] == STATE
    assert (sensor["payload_on"], sensor["payload_off"]) == ("ON", "OFF")
    assert sensor["availability_topic"] == "costream/status"
    other = listener.json("homeassistant/binary_sensor/costream/door-Q-car/config")
    assert sensor["device"] == other["device"]
    assert sensor["device"]["name"] == "Camera door"
    assert sensor["unique_id"] != other["unique_id"]
    image = listener.json("homeassistant/image/costream/door-Q-person/config")
    assert image["image_topic"] == "costream/door/person/image"
    assert listener.text(STATE) == "OFF"


def test_a_state_is_on_for_as_long_as_an_incident(sink: MqttSink, listener: Listener) -> None:
    sink.announce([a_camera()])
    event = a_message().event
    over = replace(event, end=1060.0)
    until(lambda: listener.text(STATE) == "OFF")
    changes: list[tuple[Any, Event]] = [
        ("new", event),
        ("update", over),
        ("update", event),
        ("end", over),
    ]
    for change, after in changes:
        deliver_when_connected(sink, EventMessage(change, after, 1.0))
    states = [b"OFF", b"ON", b"OFF", b"ON", b"OFF"]
    until(lambda: [state for state, _ in groupby(_of(listener, STATE))] == states)
    until(lambda: listener.json("costream/door/person/attributes")["end"] == 1060)
    # The filter's changes are for what is told, not for the state.
    assert len(_of(listener, "costream/door/person/event")) == 1


def _of(listener: Listener, topic: str) -> list[bytes]:
    return [payload for name, payload in listener.all if name == topic]


def test_a_still_is_published_once(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    still = tmp_path / "a.jpg"
    still.write_bytes(b"\xff\xd8jpeg")
    sink = MqttSink(a_config(broker), lambda id: still)
    message = a_message(still=True)
    deliver_when_connected(sink, message)
    deliver_when_connected(sink, replace(message, change="end"))
    until(lambda: listener.text(STATE) == "OFF")
    assert _of(listener, "costream/door/person/image") == [b"\xff\xd8jpeg"]
    sink.close()


def test_the_service_is_offline_when_it_leaves_or_dies(broker: Broker, listener: Listener) -> None:
    for leave in (MqttSink.close, _die):
        sink = MqttSink(a_config(broker), no_still)
        sink.announce([])
        until(lambda: listener.text("costream/status") == "online")
        leave(sink)
        until(lambda: listener.text("costream/status") == "offline")


def _die(sink: MqttSink) -> None:
    """Breaks the connection without a word, as a process that is killed does."""
    assert sink._client is not None
    sink._client.loop_stop()
    socket = sink._client.socket()
    assert socket is not None
    socket.close()
    # The client closes the pair that wakes its thread once nothing holds it, the sink in turn.
    sink._client = None


def test_a_restarted_broker_is_told_all_again(
    sink: MqttSink, broker: Broker, listener: Listener
) -> None:
    sink.announce([a_camera()])
    deliver_when_connected(sink, a_message())
    until(lambda: listener.text(STATE) == "ON")
    broker.stop()
    until(lambda: _fails(sink))
    listener.last.clear()
    broker.start()
    until(lambda: listener.text("costream/status") == "online")
    until(lambda: listener.text(STATE) == "ON" and CONFIG in listener.last)


def _fails(sink: MqttSink) -> bool:
    try:
        sink.deliver(a_message())
    except DeliveryError:
        return True
    return False


def test_messages_wait_for_a_broker_that_is_away(broker: Broker, tmp_path: Path) -> None:
    store = Store.open(StoreConfig(), tmp_path / "data")
    broker.stop()
    outlet = make_outlet(a_config(broker, changes=["new", "end"]), no_still)
    dispatcher = Dispatcher("mqtt", outlet, store, pause=lambda attempts: 0.05)
    dispatcher.start()
    ids = []
    for i in range(5):
        record = a_record(100 + i)
        message = EventMessage("new", record.event, 1.0)
        store.put(record, [("mqtt", message)], then=dispatcher.wake)
        ids.append(record.event.id)
    until(lambda: dispatcher.status().failed)
    assert "not connected" in (dispatcher.status().error or "")
    broker.start()
    listener = Listener(broker)
    topic = "costream/door/person/event"
    until(lambda: len(_of(listener, topic)) >= 5)
    told = [json.loads(payload)["event"]["id"] for payload in _of(listener, topic)]
    assert told == ids
    dispatcher.stop()
    dispatcher.join(10)
    listener.close()
    store.close()


def test_home_assistants_start_is_answered(sink: MqttSink, listener: Listener) -> None:
    sink.announce([a_camera()])
    until(lambda: CONFIG in listener.last)
    until(lambda: listener.text("costream/status") == "online")
    seen = len(_of(listener, CONFIG))
    listener.publish("homeassistant/status", "online")
    until(lambda: len(_of(listener, CONFIG)) > seen)


def test_what_is_no_longer_asked_disappears(broker: Broker, listener: Listener) -> None:
    gone = "homeassistant/binary_sensor/costream/yard-Q-car/config"
    listener.publish(gone, "{}", retain=True)  # an earlier service left it behind
    foreign = "homeassistant/binary_sensor/other/yard-Q-car/config"
    listener.publish(foreign, "{}", retain=True)
    sink = MqttSink(a_config(broker), no_still)
    sink.announce([a_camera("door", a_question("person"), a_question("car"))])
    until(lambda: listener.last.get(gone) == b"")
    sink.announce([a_camera("door", a_question("car"))])
    until(lambda: listener.last.get(CONFIG) == b"")
    assert listener.last[foreign] == b"{}"
    sink.close()


def test_without_discovery_states_alone_are_published(broker: Broker, listener: Listener) -> None:
    sink = MqttSink(a_config(broker, discovery=None, prefix="site/north"), no_still)
    sink.announce([a_camera()])
    until(lambda: listener.text("site/north/status") == "online")
    assert sorted(listener.last) == ["site/north/door/person/state", "site/north/status"]
    sink.close()


def test_a_wrong_password_is_said_and_not_shown(broker: Broker) -> None:
    sink = MqttSink(a_config(broker, password="wrongsecret"), no_still)
    until(lambda: "uthor" in _said(sink))
    assert "wrongsecret" not in _said(sink)
    sink.close()


def _said(sink: MqttSink) -> str:
    with pytest.raises(DeliveryError) as caught:
        sink.deliver(a_message())
    return str(caught.value)


def test_a_host_is_needed(broker: Broker) -> None:
    with pytest.raises(SettingsError, match="no host"):
        MqttSink(a_config(broker, host=""), no_still)


def deliver_when_connected(sink: MqttSink, message: EventMessage) -> None:
    def delivered() -> bool:
        try:
            sink.deliver(message)
        except DeliveryError:
            return False
        return True

    until(delivered)


def test_what_a_broker_sends_ends_no_thread(
    sink: MqttSink, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    sink.announce([])
    until(lambda: listener.text("costream/status") == "online")
    client = sink._client
    assert client is not None
    client._handle_on_message(paho.MQTTMessage(topic=b"\xff"))
    assert "on_message" in caplog.text
    deliver_when_connected(sink, a_message())
