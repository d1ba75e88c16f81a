"""A real cluster of Ray's: three nodes, twelve cameras, and everything that fails."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from openai import APIError, APIStatusError, InternalServerError, NotFoundError, OpenAI

from costream.serve.api.chat import REPLIES
from tests.serve.cluster.nodes import Nodes
from tests.serve.postgres import PostgresServer
from tests.serve.running import TOKEN, Running
from tests.serve.waiting import until
from tests.video.cameras import RtspCamera, need_gstreamer
from tests.video.films import world_film

if importlib.util.find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install 'costream[cluster]'", allow_module_level=True)

CAMERAS = 12

WINDOW = 2.0

SETTINGS = {"window": WINDOW, "stride": 1, "fps": 2, "frame_size": [128, 96]}

AGAIN = 15.0
"""Seconds within which frames of every camera are received again, whatever happened."""

SOON = 120.0


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes(3)
    yield nodes
    nodes.close()


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspCamera]:
    need_gstreamer()
    film = world_film(tmp_path_factory.mktemp("films"), 240.0, size=(160, 96))
    camera = RtspCamera(*[film] * CAMERAS)
    yield camera
    camera.kill()


def config(checkpoint: Path, cameras: RtspCamera, store: str, told: Path) -> dict[str, Any]:
    """Returns a configuration in which every window is a yes: one long incident a camera."""
    everything = ["new", "update", "end"]
    return {
        "model": str(checkpoint),
        "engine": {"settings": SETTINGS},
        "store": {"url": store},
        "alerts": {"threshold": 0, "sentence": False, "cooldown": 120, "clip": False},
        "questions": {"any": {"ask": "Is there anything?"}},
        "sinks": {
            "file": {
                "type": "command",
                "run": ["sh", "-c", f"cat >> {told}; echo >> {told}"],
                "changes": everything,
            }
        },
        "cameras": {
            f"camera-{n}": {"url": url, "timeout": "5s"} for n, url in enumerate(cameras.urls)
        },
    }


class Watched:
    """What the API says of the cameras."""

    def __init__(self, service: Running) -> None:
        self._service = service

    def statuses(self) -> dict[str, dict[str, Any]]:
        cameras = self._service.get("/api/cameras")["cameras"]
        return {camera["id"]: camera["status"] for camera in cameras}

    def nodes(self) -> dict[str, dict[str, Any]]:
        return {node["name"]: node for node in self._service.get("/api/nodes")}

    def owners(self) -> Counter[str]:
        return Counter(status["node"] for status in self.statuses().values())

    def all_since(self, what: str, moment: float) -> bool:
        found = [status[what] for status in self.statuses().values()]
        return all(at is not None and at > moment for at in found)

    def await_again(self, moment: float, what: str) -> None:
        """Waits until every camera has a frame, and a result, that came after a moment.

        How long that took since something happened is printed: ``pytest -s`` shows it.
        """
        begun = time.monotonic()
        until(lambda: self.all_since("last_frame", moment), SOON)
        frames = time.monotonic() - begun
        until(lambda: self.all_since("last_window", moment), SOON)
        results = time.monotonic() - begun
        print(f"{what}: frames of all after {frames:.1f} s, results after {results:.1f} s")
        assert frames < AGAIN, frames
        assert results < AGAIN + WINDOW + 1, results


@pytest.mark.timeout(400)
def test_twelve_cameras_while_nodes_come_are_drained_and_die_and_so_does_the_controller(
    nodes: Nodes,
    cameras: RtspCamera,
    postgres: PostgresServer,
    checkpoint: Path,
    tmp_path: Path,
) -> None:
    told = tmp_path / "told"
    first = config(checkpoint, cameras, postgres.url, told)
    with Running(tmp_path, first, options=["--cluster", nodes.address]) as service:
        watched = Watched(service)
        until(lambda: watched.all_since("last_window", 0), SOON)
        assert sorted(watched.owners().values()) == [4, 4, 4]
        until(lambda: len(service.events()) == CAMERAS, SOON)
        ids = {event["id"] for event in service.events()}
        # A node comes: it is given cameras, and every camera is seen all the while.
        before = set(watched.nodes())
        new = named(watched, nodes.add())
        until(lambda: watched.owners()[new()] >= 2, SOON)
        # A node is drained.
        drained = next(name for name in before if watched.owners()[name])
        assert service.client.post(f"/api/nodes/{drained}/drain").status_code == 204
        until(lambda: not watched.owners()[drained] and watched.nodes()[drained]["drained"], SOON)
        moment = time.time()
        watched.await_again(moment, "a node was drained")
        # A node dies, of those that watch. The controller is never there: it is at the head.
        (controller,) = processes_of("ray::ControllerActor")
        assert "--head" in command_of(parent_of(controller))
        victim = next(id for id in nodes.ids if not drained.endswith(id[:6]))
        moment = time.time()
        nodes.kill(victim)
        watched.await_again(moment, "a node died")
        assert not any(name.endswith(victim[:6]) for name in watched.owners())
        # The controller dies.
        moment = time.time()
        os.kill(controller, signal.SIGKILL)
        watched.await_again(moment, "the controller died")
        until(lambda: len(watched.nodes()) == 3, SOON)
        # The front end dies: nodes go on, and it takes up where it was.
        service.kill()
        moment = time.time()
        service.start()
        watched.await_again(moment, "the front end died")
        # Whatever happened, each incident was one event, and was told of once.
        assert {event["id"] for event in service.events()} == ids
        until(lambda: len(messages(told, "new")) == CAMERAS, 30)
        news = Counter(message["event"]["id"] for message in messages(told, "new"))
        assert news == dict.fromkeys(ids, 1)
        assert not messages(told, "end")
        assert service.get("/api/status")["problems"] == []
        check_metrics(service.client.get("/metrics").text, set(watched.nodes()))
        assert service.stop() == 0, service.text
        assert "Traceback" not in service.text, service.text


@pytest.mark.timeout(300)
def test_a_camera_that_sends_its_stream_itself_on_one_machine_without_a_database_server(
    nodes: Nodes, checkpoint: Path, tmp_path: Path
) -> None:
    film = transport_stream(world_film(tmp_path, 60.0, size=(160, 96)), tmp_path / "film.ts")
    questions = {"any": {"ask": "Is there anything?"}}
    first = {
        "model": str(checkpoint),
        "engine": {"settings": SETTINGS},
        "questions": questions,
        "cameras": {"yard": {"url": "push"}},
    }
    with Running(tmp_path, first, options=["--cluster", nodes.address]) as service:
        watched = Watched(service)
        until(lambda: watched.statuses()["yard"]["node"], SOON)
        over = threading.Event()
        sender = threading.Thread(target=send, args=(service.client, film, over))
        sender.start()
        until(lambda: service.windows("yard") >= 2, SOON)
        assert service.client.get("/api/cameras/yard/still.jpg").content[:2] == b"\xff\xd8"
        ask_in_free_form(service)
        over.set()
        sender.join(30)
        assert service.stop() == 0, service.text
        assert "Traceback" not in service.text, service.text


def ask_in_free_form(service: Running) -> None:
    """Asks the camera yard, whole and streamed, and leaves; then its node dies."""
    options: Any = {
        "model": "camera:yard",
        "messages": [{"role": "user", "content": "What happens here?"}],
        "temperature": 2.0,  # an untrained model's likeliest token may end a reply at once
        "seed": 5,
    }
    with OpenAI(base_url=f"{service.client.base_url}/v1", api_key=TOKEN, max_retries=0) as client:
        assert "camera:yard" in [model.id for model in client.models.list()]
        ask = client.chat.completions.create
        whole = ask(**options, max_tokens=6, logprobs=True, top_logprobs=2)
        (choice,) = whole.choices
        assert choice.message.content and choice.finish_reason == "length"
        assert [len(token.top_logprobs) for token in choice.logprobs.content] == [2] * 6
        assert whole.usage.completion_tokens == 6
        assert 0 < whole.usage.prompt_tokens_details.cached_tokens < whole.usage.prompt_tokens
        evidence = whole.model_extra["costream"]
        assert evidence["camera"] == "yard" and 0 < evidence["yes"] < 1
        assert evidence["end"] - evidence["start"] == WINDOW
        chunks = list(
            ask(**options, max_tokens=6, stream=True, stream_options={"include_usage": True})
        )
        pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
        assert len([piece for piece in pieces if piece]) > 1
        assert chunks[-1].usage.completion_tokens == 6
        # More than are served at a time, and none of them stays.
        for _ in range(REPLIES + 1):
            ask(**options, max_tokens=4096, stream=True).close()
        assert ask(**options, max_tokens=1).usage.completion_tokens == 1
        with pytest.raises(NotFoundError):
            ask(**{**options, "model": "camera:gate"})
        video = {"type": "file", "file": {"file_id": "file-0"}}
        talk: Any = [{"role": "user", "content": [video, {"type": "text", "text": "Who?"}]}]
        with pytest.raises(InternalServerError, match="a service on one machine") as absent:
            ask(model="costream", messages=talk)
        assert absent.value.status_code == 501
        with ask(**options, max_tokens=4096, stream=True) as stream:
            next(stream)
            for node in processes_of("ray::NodeActor"):
                os.kill(node, signal.SIGKILL)
            with pytest.raises(APIError, match="does not answer any more: ask again"):
                list(stream)
        service.client.post("/api/cameras/yard/pause")
        until(lambda: service.state("yard") == "paused", SOON)
        with pytest.raises(APIStatusError) as absent:
            ask(**options)
        assert absent.value.status_code in (409, 503)


def send(client: httpx.Client, film: bytes, over: threading.Event) -> None:
    """Sends a stream of a minute as a camera does, until it is over."""

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(film), len(film) // 600):
            if over.wait(0.1):
                return
            yield film[at : at + len(film) // 600]

    headers = {"Content-Type": "video/mp2t"}
    client.post("/api/cameras/yard/push", content=pieces(), headers=headers, timeout=120)


def transport_stream(film: Path, path: Path) -> bytes:
    """Returns a film as cameras send it."""
    with av.open(str(film)) as source, av.open(str(path), "w", format="mpegts") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return path.read_bytes()


def named(watched: Watched, id: str) -> Callable[[], str]:
    """Returns what finds the name of a node by Ray's id; nobody's while it is not there."""
    return lambda: next((name for name in watched.nodes() if name.endswith(id[:6])), "nobody")


def messages(told: Path, change: str) -> list[dict[str, Any]]:
    lines = told.read_text().splitlines() if told.exists() else []
    found = [json.loads(line) for line in lines if line]
    return [message for message in found if message["change"] == change]


def check_metrics(text: str, nodes: set[str]) -> None:
    for name in ("costream_pool_rows_used", "costream_node_load", "costream_node_cameras"):
        for node in nodes:
            assert f'{name}{{node="{node}"}}' in text
    assert text.count("costream_camera_node{") == CAMERAS


def processes_of(title: str) -> list[int]:
    """Returns the processes of a title that Ray gave them."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                if command_of(int(process.name))[0].startswith(title):
                    found.append(int(process.name))
    return found


def command_of(process: int) -> list[str]:
    return Path(f"/proc/{process}/cmdline").read_text().split("\0")


def parent_of(process: int) -> int:
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
    return int(after_name.split()[1])
