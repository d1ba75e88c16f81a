"""The front end of a cluster that is made up."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from costream.engine.reply import ReplyOptions
from costream.errors import ClusterError, NoWindowError, SettingsError, SourceError, UnknownError
from costream.serve.api import chat
from costream.serve.api.app import create_app
from costream.serve.api.chat import chat_router
from costream.serve.backend import EventQuery
from costream.serve.cluster.courier import Parcel
from costream.serve.cluster.messages import ClusterState, NodeState
from costream.serve.cluster.node import NodeHealth, NodeNews
from costream.serve.cluster.routes import nodes_router
from costream.serve.cluster.service import ClusterService
from costream.serve.cluster.spec import ClusterSpec
from costream.serve.cluster.table import Grant
from costream.serve.config.model import CameraConfig, ServiceConfig
from costream.serve.events.event import EventMessage
from costream.serve.status import CameraStatus, WindowNews
from costream.settings import EngineSettings
from tests.serve.cluster.replying import SIGHT, ReplyingNode, write
from tests.serve.store.records import a_record
from tests.serve.waiting import until

OWNER, NODE = "node-a#1", "node-a"

STATE = ClusterState((NodeState(NODE, OWNER, True, False, 1, 0, 0.25),), 0, 0, ("it is warm",))


class FakeCluster:
    """A line to a cluster of one node."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.wanted: dict[str, Any] = {}
        self.audiences: dict[str, Any] = {}
        self.known = True
        self.away = False
        self.tells: list[NodeNews] = []
        self.files: dict[int, bytes] = {}
        self.kept: dict[int, Any] = {}
        self.sent: list[Any] = []
        self.replying = ReplyingNode()

    def begin(self, spec: ClusterSpec) -> None:
        self.calls.append("begin")

    def want(self, cameras: Any, audiences: Any) -> bool:
        self.calls.append("want")
        self.wanted, self.audiences = dict(cameras), dict(audiences)
        return True

    def state(self) -> tuple[ClusterState, bool, list[logging.LogRecord]]:
        if self.away:
            raise ClusterError("the cluster does not answer")
        return STATE, self.known, []

    def news(self, patience: float) -> list[NodeNews]:
        time.sleep(0.02)
        found, self.tells = self.tells, []
        return found

    def read(self, node: str, number: int, offset: int) -> bytes:
        return self.files.get(number, b"")[offset : offset + 4]

    def done(self, node: str, number: int, media: Any) -> None:
        self.kept[number] = media
        self.files.pop(number, None)

    def send(self, node: str, kind: str, camera: str, chunks: Any, framed: bool) -> Any:
        self.sent.append((node, kind, camera, b"".join(chunks), framed))
        return len(self.sent[-1][3])

    def recording(self, node: str, camera: str, seconds: float) -> bytes:
        return f"{camera} {seconds}".encode()

    def reply(self, *asked: Any) -> Any:
        return self.replying.reply(*asked)

    def end(self) -> None:
        self.calls.append("end")

    def close(self) -> None:
        self.calls.append("close")


def news(**changes: Any) -> NodeNews:
    health = NodeHealth(True, (12, 100), 3, 8.0)
    return replace(NodeNews(OWNER, NODE, (), (), (), (), health), **changes)


def config(folder: Path, **more: Any) -> ServiceConfig:
    values: dict[str, Any] = {
        "data": str(folder / "data"),
        "questions": {"person": {"ask": "Is there a person?"}},
        "cameras": {"door": {"url": "rtsp://user:secret@camera/1"}},
        "sinks": {"log": {"type": "command", "run": ["true"]}},
        "server": {"token": "a-token-of-the-tests"},
    }
    return ServiceConfig.model_validate({**values, **more})


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def service(tmp_path: Path, cluster: FakeCluster) -> Iterator[ClusterService]:
    service = ClusterService(config(tmp_path), EngineSettings(), cluster)
    service.start()
    until(lambda: "want" in cluster.calls, 10)
    yield service
    service.stop()


@pytest.fixture
def owned(service: ClusterService, cluster: FakeCluster) -> ClusterService:
    """The service, whose camera is the node's."""
    service._table.grant([Grant("door", OWNER, 0)])
    until(lambda: service._owners, 10)
    tell(service, cluster, statuses=[CameraStatus("door", "watching", 1.0)])
    until(lambda: service.status("door").state == "watching", 10)
    return service


def tell(service: ClusterService, cluster: FakeCluster, **changes: Any) -> None:
    cluster.tells = [news(**changes)]
    until(lambda: not cluster.tells, 10)


def test_nodes_are_told_what_is_watched_and_who_is_told(
    service: ClusterService, cluster: FakeCluster
) -> None:
    assert cluster.calls[:2] == ["begin", "want"]
    assert cluster.wanted["door"].trusted
    assert cluster.audiences["log"].filter.changes == ("new",)
    service.add_camera("yard", CameraConfig(url="rtsp://cam.example.com/1"))
    until(lambda: "yard" in cluster.wanted, 10)
    assert not cluster.wanted["yard"].trusted
    # A controller that began anew does not know, and is told.
    before = cluster.calls.count("want")
    cluster.known = False
    until(lambda: cluster.calls.count("want") > before, 10)


def test_a_camera_is_as_its_owner_says(owned: ClusterService, cluster: FakeCluster) -> None:
    status = owned.status("door")
    assert (status.state, status.node) == ("watching", NODE)
    # Somebody who does not own it has nothing to say.
    seen = WindowNews("door", 1, 1.0, (), np.zeros((1, 1), np.float32), None, 0.0)
    tell(owned, cluster, owner="node-b#1", node="node-b", news=[seen])
    tell(owned, cluster, statuses=[CameraStatus("door", "watching", 1.0)])
    assert owned.hub.window("door") is None
    tell(owned, cluster, news=[seen], statuses=[CameraStatus("door", "watching", 1.0)])
    until(lambda: owned.hub.window("door") is not None, 10)
    # While it is handed on, it is as it was.
    owned._table.release("door", OWNER, 1, 1.0, {})
    until(lambda: owned._owners["door"] == "", 10)
    assert owned.status("door").state == "watching"


def test_a_camera_that_nobody_watches_says_so(service: ClusterService) -> None:
    status = service.status("door")
    assert (status.state, status.error) == ("starting", "no node watches it yet")
    service.pause_camera("door", True)
    assert service.status("door").state == "paused"
    with pytest.raises(UnknownError):
        service.status("yard")


def test_a_still_of_a_node_is_kept_here(owned: ClusterService, cluster: FakeCluster) -> None:
    record = a_record(time.time(), closed=True)
    owned._store.put(record)
    event = record.event.id
    parcels = [
        Parcel(1, "still", event, ".jpg", 10),
        Parcel(2, "clip", event, ".exe", 10),
        Parcel(3, "still", "../../etc/passwd", ".jpg", 10),
    ]
    cluster.files = {1: b"0123456789", 2: b"0123456789", 3: b"0123456789"}
    told = []
    publish = owned.hub.publish
    owned._parcels._on_message = lambda message: (told.append(message), publish(message))
    tell(owned, cluster, parcels=parcels)
    until(lambda: len(cluster.kept) == 3, 10)
    assert owned._store.flush(5)
    assert owned.event_still(event).read_bytes() == b"0123456789"
    assert owned.event(event).still
    assert [(m.change, m.event.still) for m in told] == [("update", True)]
    assert cluster.kept[1].kind == "still"
    assert cluster.kept[2] is None and cluster.kept[3] is None
    assert not list(owned.folder.rglob("*.part"))


def test_a_file_whose_event_never_comes_is_given_up(
    owned: ClusterService, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("costream.serve.cluster.parcels.AWAITED", 0.0)
    monkeypatch.setattr("costream.serve.cluster.parcels.AGAIN", 0.0)
    parcel = Parcel(7, "still", a_record(5).event.id, ".jpg", 4)
    cluster.files = {7: b"jpeg"}
    for _ in range(3):
        tell(owned, cluster, parcels=[parcel])
        time.sleep(0.1)
    until(lambda: cluster.kept == {7: None}, 10)


def test_events_are_told_and_have_sinks_woken(owned: ClusterService, cluster: FakeCluster) -> None:
    record = a_record(time.time())
    tell(owned, cluster, news=[EventMessage("new", record.event, 1.0)])
    until(lambda: owned.hub.event_counts(), 10)
    assert owned.hub.event_counts() == {("door", "person", "new"): 1}


def test_events_of_cameras_that_are_gone_are_ended(
    service: ClusterService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service._store.put(a_record(time.time() - 5, camera="gone"))
    service._store.put(a_record(time.time() - 5, camera="door"))
    service._end_orphans()
    assert service._store.flush(5)
    ends = {event.camera: event.end for event in service.events(EventQuery()).events}
    assert ends["gone"] is not None and ends["door"] is None


def test_health_sums_up_the_nodes(owned: ClusterService, cluster: FakeCluster) -> None:
    health = owned.health()
    assert health.ready and health.pool_rows == (12, 100) and health.swaps == 3
    assert "it is warm" in health.problems
    (node,) = health.nodes
    assert (node.name, node.load, node.cameras_fit) == (NODE, 0.25, 8.0)
    cluster.away = True
    until(lambda: "the cluster does not answer" in owned.health().problems, 10)
    cluster.away = False
    until(lambda: "the cluster does not answer" not in owned.health().problems, 10)
    assert owned.is_alive


def test_what_a_camera_sends_goes_to_its_node(owned: ClusterService, cluster: FakeCluster) -> None:
    assert owned.push("door", iter([b"ab", b"c"]), framed=True) == 3
    assert cluster.sent == [(NODE, "push", "door", b"abc", True)]
    owned.take_edge("door", iter([b"x"]))
    assert cluster.sent[-1] == (NODE, "edge", "door", b"x", True)
    assert owned.recording("door", 5.0) == b"door 5.0"


def test_what_a_camera_sends_that_nobody_watches_is_refused(service: ClusterService) -> None:
    with pytest.raises(SourceError, match="watched by no node now"):
        service.push("door", iter(()))
    with pytest.raises(UnknownError):
        service.push("yard", iter(()))


@pytest.fixture
def client(owned: ClusterService) -> Iterator[TestClient]:
    routers = [nodes_router(owned), chat_router(owned, None)]
    app = create_app(owned, owned.config().server, routers=routers, page=None)
    with TestClient(app, base_url="http://127.0.0.1:8470", client=("127.0.0.1", 1)) as client:
        client.headers["Authorization"] = "Bearer a-token-of-the-tests"
        yield client


def test_nodes_are_drained_by_the_api(client: TestClient, owned: ClusterService) -> None:
    assert [node["name"] for node in client.get("/api/nodes").json()] == [NODE]
    assert client.post("/api/nodes/nobody/drain").status_code == 404
    assert client.post(f"/api/nodes/{NODE}/drain").status_code == 204
    owned._table.renew(OWNER, NODE)
    assert owned._table.leases()[0].drained
    assert client.delete(f"/api/nodes/{NODE}/drain").status_code == 204
    assert not owned._table.leases()[0].drained
    del client.headers["Authorization"]
    assert client.post(f"/api/nodes/{NODE}/drain").status_code == 401


def test_metrics_have_the_same_names_with_the_node(client: TestClient) -> None:
    text = client.get("/metrics").text
    for line in (
        f'costream_pool_rows_used{{node="{NODE}"}} 12.0',
        f'costream_pool_rows{{node="{NODE}"}} 100.0',
        f'costream_swaps_total{{node="{NODE}"}} 3.0',
        f'costream_cameras_fit{{node="{NODE}"}} 8.0',
        f'costream_node_load{{node="{NODE}"}} 0.25',
        f'costream_camera_node{{camera="door",node="{NODE}"}} 1.0',
    ):
        assert line in text


QUESTION = {"role": "user", "content": "Who comes?"}

ASKED: dict[str, Any] = {"model": "camera:door", "messages": [QUESTION]}

COMPLETIONS = "/v1/chat/completions"


def writing(cluster: FakeCluster, *tokens: str) -> threading.Thread:
    """Has the node write the next reply that it is asked for."""

    def answer(count: int) -> None:
        reply = cluster.replying.newest(count)
        write(reply, *tokens)
        reply.end("length")

    count = len(cluster.replying.replies) + 1
    thread = threading.Thread(target=answer, args=(count,))
    thread.start()
    return thread


def test_a_camera_is_asked_at_its_node(client: TestClient, cluster: FakeCluster) -> None:
    writer = writing(cluster, "A ", "person.")
    body = {**ASKED, "max_tokens": 2, "logprobs": True, "top_logprobs": 1}
    answer = client.post(COMPLETIONS, json=body)
    writer.join(10)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    (choice,) = told["choices"]
    assert choice["message"]["content"] == "A person."
    assert choice["finish_reason"] == "length"
    assert [token["token"] for token in choice["logprobs"]["content"]] == ["A ", "person."]
    assert told["usage"]["prompt_tokens"] == 57 and told["usage"]["completion_tokens"] == 2
    assert told["usage"]["prompt_tokens_details"] == {"cached_tokens": 50}
    window = {"start": 3.0, "end": 5.0, "frames": 4, "fps": 2.0, "yes": 0.75}
    assert told["costream"] == {"camera": "door", **window}
    ((node, camera, turns, options),) = cluster.replying.asked
    assert (node, camera, turns[0].text) == (NODE, "door", "Who comes?")
    assert options == ReplyOptions(max_tokens=2, likeliest=1)


def test_a_node_s_reply_comes_while_it_is_written(client: TestClient, cluster: FakeCluster) -> None:
    writer = writing(cluster, "A ", "person.")
    options = {"stream": True, "stream_options": {"include_usage": True}}
    with client.stream("POST", COMPLETIONS, json={**ASKED, **options}) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    writer.join(10)
    assert lines.pop() == "[DONE]"
    *chunks, usage = map(json.loads, lines)
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == "A person." and chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["costream"]["camera"] == "door"
    assert usage["usage"]["completion_tokens"] == 2


def test_a_camera_that_can_t_be_asked_now_says_why(
    client: TestClient, cluster: FakeCluster, owned: ClusterService
) -> None:
    def refused(model: str = "camera:door") -> tuple[int, str, str]:
        answer = client.post(COMPLETIONS, json={**ASKED, "model": model})
        error = answer.json()["error"]
        return answer.status_code, error["code"], error["message"]

    assert refused("camera:yard")[:2] == (404, "not_found")
    cluster.replying.refuses = NoWindowError("the model is being loaded: try again in a moment")
    assert refused()[:2] == (409, "no_window")
    cluster.replying.refuses = ClusterError(f"node {NODE} is gone")
    assert refused() == (503, "unavailable", f"node {NODE} is gone")
    owned._table.release("door", OWNER, 1, 1.0, {})
    until(lambda: not owned._owners["door"], 10)
    status, code, message = refused()
    assert (status, code) == (409, "no_window") and "by no node now" in message


def test_a_node_that_dies_ends_a_stream_with_an_error(
    client: TestClient, cluster: FakeCluster
) -> None:
    def die() -> None:
        write(cluster.replying.newest(), "A")
        time.sleep(0.3)
        cluster.replying.gone = ClusterError(f"node {NODE} is gone")

    thread = threading.Thread(target=die)
    thread.start()
    with client.stream("POST", COMPLETIONS, json={**ASKED, "stream": True}) as answer:
        lines = [line for line in answer.iter_lines() if line]
    thread.join(10)
    assert json.loads(lines[-1].removeprefix("data: "))["error"]["message"].endswith("is gone")


VIDEO = {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}
LONG = {"type": "video_url", "video_url": {"url": "data:video/mp4;base64," + "A" * chat.WORDS}}
UPLOADED = {"type": "file", "file": {"file_id": "file-0"}}


@pytest.mark.parametrize("part", [VIDEO, LONG, UPLOADED], ids=["short", "long", "uploaded"])
def test_a_cluster_takes_no_videos(client: TestClient, part: dict[str, Any]) -> None:
    parts = [part, {"type": "text", "text": "Who comes?"}]
    body = {"model": "costream", "messages": [{"role": "user", "content": parts}]}
    assert_no_videos(client.post(COMPLETIONS, json=body))


def test_a_cluster_takes_no_files(client: TestClient) -> None:
    file = {"file": ("video.mp4", b"x" * 100_000)}
    assert_no_videos(client.post("/v1/files", files=file, data={"purpose": "vision"}))
    assert_no_videos(client.get("/v1/files"))
    for method in ("GET", "DELETE"):
        assert_no_videos(client.request(method, "/v1/files/file-0"))
    assert_no_videos(client.get("/v1/files/file-0/content"))


def assert_no_videos(answer: Any) -> None:
    assert answer.status_code == 501, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == "no_videos" and "a service on one machine" in error["message"]


def test_models_are_the_service_s_and_its_cameras(
    client: TestClient, owned: ClusterService
) -> None:
    names = [model["id"] for model in client.get("/v1/models").json()["data"]]
    assert names == [owned.model, "camera:door"]


def test_who_may_ask_and_how_many_is_as_on_one_machine(
    client: TestClient, cluster: FakeCluster
) -> None:
    token = client.headers.pop("Authorization")
    elsewhere = {"X-Forwarded-For": "192.0.2.1"}
    assert client.post(COMPLETIONS, json=ASKED, headers=elsewhere).status_code == 401
    assert client.post("/v1/files", content=b"").status_code == 401
    asking = [
        threading.Thread(target=client.post, args=(COMPLETIONS,), kwargs={"json": ASKED})
        for _ in range(chat.REPLIES)
    ]
    for thread in asking:
        thread.start()
    cluster.replying.newest(chat.REPLIES)
    client.headers["Authorization"] = token
    assert client.post(COMPLETIONS, json=ASKED).status_code == 429
    for reply in cluster.replying.replies:
        reply.begin(SIGHT)
        reply.end("stop")
    for thread in asking:
        thread.join(10)


def test_a_file_as_a_database_is_for_one_machine_alone(tmp_path: Path) -> None:
    spec = ClusterSpec.of(config(tmp_path), EngineSettings())
    spec.check_machines(1)
    with pytest.raises(SettingsError, match=r"set store\.url to a PostgreSQL"):
        spec.check_machines(2)
    url = "postgresql://user:secret@host/events"
    reached = ClusterSpec.of(config(tmp_path, store={"url": url}), EngineSettings())
    reached.check_machines(2)
    assert "secret" not in repr(reached)
    other = ClusterSpec.of(config(tmp_path), EngineSettings(window=20))
    assert len({spec.fingerprint, reached.fingerprint, other.fingerprint}) == 3
