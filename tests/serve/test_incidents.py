"""Incidents of the synthetic world, from an RTSP camera's bitstream to whoever is told."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain, groupby, repeat
from pathlib import Path
from typing import Any

import av
import pytest

from costream.lab.synth import EVENTS, EncoderSettings, WorldCamera, encode
from costream.lab.synth.encoder import Codec
from tests.serve.news import Follower
from tests.serve.running import Running
from tests.serve.sinks.broker import PASSWORD, USER, Broker, Listener
from tests.serve.sinks.receiver import Receiver
from tests.serve.waiting import until
from tests.video.cameras import RtspCamera, need_gstreamer

FPS = 10.0
LONG, SHORT = 60.0, 12.0
WINDOW = 16.0
"""Seconds in which the embedded model looks back."""

QUIET = 60.0
"""Seconds for which the last picture stays: no camera is lost before its events are over."""

COMMAND = (
    "import sys, pathlib; text = sys.stdin.read().strip(); "
    "pathlib.Path(sys.argv[1]).open('a').write(text + '\\n')"
)


def film(path: Path, world: WorldCamera, codec: Codec) -> Path:
    frames = (world.frame(index) for index in range(world.frames))
    last = repeat(world.frame(world.frames - 1), round(QUIET * FPS))
    settings = EncoderSettings(codec, gop=20, preset="ultrafast")
    encode(chain(frames, last), path, fps=FPS, settings=settings)
    return path


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


@pytest.mark.timeout(600)
def test_one_incident_is_one_event_and_two_are_two(
    tmp_path: Path, receiver: Receiver, broker: Broker
) -> None:
    need_gstreamer()
    size = {"width": 448, "height": 256, "fps": FPS, "pretend": (), "shake": 0.0}
    one = WorldCamera(3, event="fall", lasting=LONG, seconds=84, **size)
    two = WorldCamera(3, event=("fall", "fall"), lasting=SHORT, seconds=100, **size)
    rtsp = RtspCamera(
        film(tmp_path / "one.mp4", one, "libx265"), film(tmp_path / "two.mp4", two, "libx264")
    )
    written, listener = tmp_path / "told.jsonl", Listener(broker)
    changes = {"changes": ["new", "end"]}
    login = {"host": "127.0.0.1", "port": broker.port, "username": USER, "password": PASSWORD}
    config = {
        "model": "costream/tiny",
        "questions": {"fall": {"ask": EVENTS["fall"].questions[0]}},
        "alerts": {"cooldown": "10s", "sentence": False, "before": "2s", "after": "2s"},
        "cameras": {
            name: {"url": url} for name, url in zip(("one", "two"), rtsp.urls, strict=True)
        },
        "sinks": {
            "web": {"type": "webhook", "url": receiver.url},
            "run": {
                "type": "command", "run": [sys.executable, "-c", COMMAND, str(written)], **changes
            },
            "home": {"type": "mqtt", **login, **changes},
        },
    }  # fmt: skip
    try:
        with Running(tmp_path, config) as service:
            follower = Follower(service.client)
            until(lambda: is_over(service, one=1, two=2), 400)
            events = service.events()
            check_pictures(service, events, one)
            until(lambda: len(receiver.requests) >= 3 and written.exists(), 60)
            until(lambda: len(written.read_text().splitlines()) >= 6, 60)
            until(lambda: len(published(listener)) >= 6, 60)
            assert {service.state(camera) for camera in ("one", "two")} == {"watching"}
            assert service.stop() == 0, service.text
            follower.join()
    finally:
        listener.close()
        rtsp.kill()
    ids = Counter(event["id"] for event in events)
    assert told_once([json.loads(request.body) for request in receiver.requests], "new") == ids
    for messages in (
        [json.loads(line) for line in written.read_text().splitlines()],
        published(listener),
        follower.messages,
    ):
        assert told_once(messages, "new") == told_once(messages, "end") == ids
        assert all(message["event"]["still"] for message in messages if message["change"] == "end")
    # The page and the stream of news hear of all that changes, sinks of what they asked for.
    assert {message["change"] for message in published(listener)} == {"new", "end"}
    assert [request.headers["idempotency-key"] for request in receiver.requests] == [
        f"{json.loads(request.body)['event']['id']}:new" for request in receiver.requests
    ]
    assert states(listener, "one") == ["OFF", "ON", "OFF"]
    assert states(listener, "two") == ["OFF", "ON", "OFF", "ON", "OFF"]
    assert len(two.events) == 2


def is_over(service: Running, **counts: int) -> bool:
    """Whether each camera has so many events, and they are over with still and clip."""
    assert not service.ended, service.text
    events = service.events()
    return all(event["end"] and event["still"] and event["clip"] for event in events) and all(
        sum(event["camera"] == camera for event in events) == count
        for camera, count in counts.items()
    )


def check_pictures(service: Running, events: list[dict[str, Any]], one: WorldCamera) -> None:
    """Every event has a still and a clip that plays; the long one's clip holds the incident."""
    truth = one.events[0]
    lasted = truth.end - truth.start
    for event in events:
        still = service.client.get(f"/api/events/{event['id']}/still.jpg")
        assert still.status_code == 200 and still.content[:2] == b"\xff\xd8"
        clip = service.client.get(f"/api/events/{event['id']}/clip.mp4").content
        with av.open(io.BytesIO(clip)) as container:
            times = [float(frame.time) for frame in container.decode(video=0)]
        assert times[-1] - times[0] >= (lasted if event["camera"] == "one" else SHORT)
        if event["camera"] == "one":
            assert event["end"] - event["start"] == pytest.approx(lasted, abs=WINDOW)


def told_once(messages: list[dict[str, Any]], change: str) -> Counter[str]:
    """How often whoever was told this of each event, by its id."""
    return Counter(m["event"]["id"] for m in messages if m["change"] == change)


def published(listener: Listener) -> list[dict[str, Any]]:
    """The messages that went to the broker."""
    return [json.loads(text) for topic, text in list(listener.all) if topic.endswith("/fall/event")]


def states(listener: Listener, camera: str) -> list[str]:
    """What a camera's sensor showed, one after the other."""
    all = [text.decode() for topic, text in listener.all if topic.endswith(f"{camera}/fall/state")]
    return [state for state, _ in groupby(all)]
