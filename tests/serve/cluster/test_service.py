"""The front end of a cluster that is made up."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from costream.errors import ClusterError, SettingsError, SourceError, UnknownError
from costream.serve.api.app import create_app
from costream.serve.backend import EventQuery
from costream.serve.cluster.courier import Parcel
from costream.serve.cluster.messages import ClusterState, NodeState
from costream.serve.cluster.node import NodeHealth, NodeNews
from costream.serve.cluster.routes import absent_router, nodes_router
from costream.serve.cluster.service import ClusterService
from costream.serve.cluster.spec import ClusterSpec
from costream.serve.cluster.table import Grant
from costream.serve.config.model import CameraConfig, ServiceConfig
from costream.serve.events.event import EventMessage
from costream.serve.status import CameraStatus, WindowNews
from costream.settings import EngineSettings
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
    routers = [nodes_router(owned), absent_router()]
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


def test_a_cluster_is_not_asked_in_free_form(client: TestClient) -> None:
    answer = client.post("/v1/chat/completions", json={})
    assert answer.status_code == 501 and "one machine" in answer.json()["error"]["message"]


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
