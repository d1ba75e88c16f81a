from __future__ import annotations

import time

import pytest
from fastapi.testclient import TestClient
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.serve.fakes import FakeBackend


@pytest.fixture
def metrics(client: TestClient, backend: FakeBackend) -> dict[str, Metric]:
    now = time.time()
    backend.step(now + 1)
    backend.end_event(backend.begin_event(now).id, now)
    backend.lose("camera-2", "rtsp://viewer:hunter2@10.0.0.2 stopped")
    client.get("/api/cameras")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "hunter2" not in answer.text
    assert "rtsp" not in answer.text
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(metrics: dict[str, Metric], name: str, **labels: str) -> float:
    samples = [sample for sample in metrics[name].samples if sample.labels == labels]
    assert len(samples) == 1
    return samples[0].value


def test_cameras_are_measured(metrics: dict[str, Metric]) -> None:
    camera = {"camera": "camera-1"}
    assert value(metrics, "costream_camera_windows", **camera) == 1
    assert value(metrics, "costream_camera_kept_share", **camera) == pytest.approx(70 / 480)
    assert value(metrics, "costream_camera_bytes_share", **camera) == pytest.approx(150 / 640)
    assert value(metrics, "costream_camera_lag_seconds", **camera) == 0.42
    assert value(metrics, "costream_camera_stage_seconds", **camera, stage="vision") == 0.08
    assert value(metrics, "costream_camera_skipped", **camera) == 2
    assert value(metrics, "costream_camera_reconnects", **camera) == 1
    assert value(metrics, "costream_camera_queued", **camera) == 1
    assert value(metrics, "costream_camera_moves", **camera) == 1
    assert value(metrics, "costream_camera_score", **camera, question="person") <= 1
    assert value(metrics, "costream_camera_state", camera="camera-2", state="lost") == 1
    assert value(metrics, "costream_camera_state", camera="camera-2", state="watching") == 0


def test_what_came_of_checking_answers_is_measured(metrics: dict[str, Metric]) -> None:
    camera = {"camera": "camera-1"}
    for name, expected in (("windows", 4000), ("checked", 42), ("missed", 1)):
        assert value(metrics, f"costream_camera_audit_{name}", **camera) == expected
    question = {**camera, "ask": "Is a person there?", "zone": "door"}
    assert value(metrics, "costream_camera_audit_flips", **question) == 2
    assert value(metrics, "costream_camera_audit_low", **question) == 0.001
    assert value(metrics, "costream_camera_audit_high", **question) == 0.0171
    assert value(metrics, "costream_camera_audit_difference", **question) == 0.004


def test_confirmations_are_told(metrics: dict[str, Metric]) -> None:
    for outcome, expected in (("upheld", 12), ("refuted", 2), ("missed", 1)):
        labels = {"camera": "camera-1", "outcome": outcome}
        assert value(metrics, "costream_camera_confirmations", **labels) == expected


def test_the_service_is_measured(metrics: dict[str, Metric]) -> None:
    assert value(metrics, "costream_ready") == 1
    assert value(metrics, "costream_pool_rows_used") == 5120
    assert value(metrics, "costream_pool_rows") == 16384
    assert value(metrics, "costream_swaps") == 3
    assert value(metrics, "costream_cameras_fit") == 14.5
    assert value(metrics, "costream_sink_waiting", sink="office", type="webhook") == 4
    assert value(metrics, "costream_sink_failed", sink="office", type="webhook") == 7
    told = {"camera": "camera-1", "question": "person"}
    assert value(metrics, "costream_events", **told, change="new") == 1
    assert value(metrics, "costream_events", **told, change="end") == 1
    assert value(metrics, "process_open_fds") > 0
    requests = metrics["costream_http_requests"].samples
    assert any(sample.labels == {"method": "GET", "status": "200"} for sample in requests)


def test_names_are_the_fields(metrics: dict[str, Metric]) -> None:
    assert all(name.startswith(("costream_", "process_")) for name in metrics)
    assert all(family.documentation for family in metrics.values())


def test_methods_that_nobody_knows_make_no_labels(client: TestClient) -> None:
    client.request("BREW", "/api/cameras")
    text = client.get("/metrics").text
    assert "BREW" not in text
    assert 'method="other"' in text
