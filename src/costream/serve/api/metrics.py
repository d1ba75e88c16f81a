"""The route of metrics, for Prometheus. They are collected when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from costream.serve.api.clients import Clients
from costream.serve.api.errors import ERRORS
from costream.serve.api.roster import roster
from costream.serve.backend import Backend, Health, NodeStatus
from costream.serve.status import CameraState, CameraStatus

router = APIRouter(tags=["health"], responses=ERRORS)

_GAUGES = {
    "rows": "Rows of the KV pool that a camera refers to.",
    "queued": "Windows and results of a camera that wait.",
}
_COUNTS = {
    "skipped": "Sampled frames that were left out to keep up.",
    "reconnects": "How often a camera was lost and came back.",
    "damaged": "Sampled frames in whose interval the decoder met errors.",
    "moves": "Changes of a camera's operating point.",
}
_SPENT = {
    "windows": "Windows that were answered.",
    "tokens_full": "Visual tokens of all windows, unpruned and from nothing.",
    "tokens_spent": "Visual tokens that went through the language model.",
    "patches_full": "Merge groups of new frames.",
    "patches_kept": "Merge groups of new frames that were encoded.",
    "flops_full": "Operations from nothing.",
    "flops_spent": "Operations that were run.",
    "bytes_received": "Bytes of compressed video.",
    "bytes_jpeg": "Bytes that JPEG pictures of the sampled frames would have taken.",
}
_SINK_COUNTS = {
    "delivered": "Messages that were delivered.",
    "failed": "Attempts that failed.",
    "rejected": "Messages that never will be delivered.",
}


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def get_metrics(request: Request) -> Response:
    """Returns all metrics in Prometheus' text format."""
    metrics: Metrics = request.app.state.metrics
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


class Metrics:
    """The metrics of one application.

    Attributes:
        registry: what is collected of.
    """

    def __init__(self, backend: Backend, clients: Clients) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Service(backend, clients))
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "costream_http_requests",
            "Requests that were answered.",
            ["method", "status"],
            registry=self.registry,
        )

    def count_request(self, method: str, status: int) -> None:
        """Counts a request."""
        self._requests.labels(method, str(status)).inc()


@dataclass(frozen=True)
class _Service(Collector):
    """Everything that the service knows of itself."""

    backend: Backend
    clients: Clients

    def describe(self) -> list[Metric]:
        """Says nothing beforehand, so that registering asks nothing of the service."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yields all metrics."""
        yield from self._health()
        yield from self._sinks()
        yield from self._news()
        statuses = [status for _, status in roster(self.backend)]
        yield from _states(statuses)
        yield from _progress(statuses)
        yield from _savings(statuses)
        yield from _scores(statuses)
        yield from _audits(statuses)

    def _health(self) -> Iterator[Metric]:
        health = self.backend.health()
        info = GaugeMetricFamily("costream_info", "What runs.", labels=["version", "model"])
        info.add_metric([health.version, health.model], 1)
        yield info
        yield GaugeMetricFamily(
            "costream_ready", "Whether the service is ready.", value=float(health.ready)
        )
        yield GaugeMetricFamily(
            "costream_problems", "Problems that the service reports.", value=len(health.problems)
        )
        yield GaugeMetricFamily(
            "costream_start_time_seconds", "When the service began.", value=health.started
        )
        yield from _engines(health)
        yield from _nodes(health.nodes)

    def _sinks(self) -> Iterator[Metric]:
        sinks = self.backend.sinks()
        waiting = GaugeMetricFamily(
            "costream_sink_waiting", "Messages that wait.", labels=["sink", "type"]
        )
        for sink in sinks:
            waiting.add_metric([sink.name, sink.type], sink.waiting)
        yield waiting
        for name, text in _SINK_COUNTS.items():
            count = CounterMetricFamily(f"costream_sink_{name}", text, labels=["sink", "type"])
            for sink in sinks:
                count.add_metric([sink.name, sink.type], getattr(sink, name))
            yield count

    def _news(self) -> Iterator[Metric]:
        labels = ["camera", "question", "change"]
        events = CounterMetricFamily("costream_events", "Changes of events.", labels=labels)
        for key, count in self.backend.hub.event_counts().items():
            events.add_metric(key, count)
        yield events
        yield GaugeMetricFamily(
            "costream_clients", "Listeners and senders that last.", value=self.clients.count
        )
        yield CounterMetricFamily(
            "costream_news_dropped", "News that slow listeners missed.", value=self.clients.dropped
        )


def _engines(health: Health) -> Iterator[Metric]:
    """Yields how full the engine is; on a cluster that of each node, under the same names."""
    labels = ["node"] if health.nodes else []
    engines: list[tuple[list[str], Health | NodeStatus]] = [
        ([node.name], node) for node in health.nodes
    ] or [([], health)]
    used, there_are, fit = (
        GaugeMetricFamily(f"costream_{name}", text, labels=labels)
        for name, text in (
            ("pool_rows_used", "Rows of the KV pool taken."),
            ("pool_rows", "Rows that the KV pool has."),
            ("cameras_fit", "Cameras that this machine carries."),
        )
    )
    swaps = CounterMetricFamily(
        "costream_swaps", "Streams that made room for others.", labels=labels
    )
    for names, engine in engines:
        taken, limit = engine.pool_rows
        used.add_metric(names, taken)
        swaps.add_metric(names, engine.swaps)
        if limit is not None:
            there_are.add_metric(names, limit)
        if engine.cameras_fit is not None:
            fit.add_metric(names, engine.cameras_fit)
    yield from (family for family in (used, there_are, swaps, fit) if family.samples)


def _nodes(nodes: Sequence[NodeStatus]) -> Iterator[Metric]:
    """Yields how the nodes of a cluster are doing."""
    texts = {
        "ready": "Whether a node's model is loaded.",
        "drained": "Whether a node is to have no cameras.",
        "cameras": "Cameras that a node owns.",
        "load": "How full a node is; beyond 1 it has more cameras than it carries.",
    }
    for name, text in texts.items():
        family = GaugeMetricFamily(f"costream_node_{name}", text, labels=["node"])
        for node in nodes:
            family.add_metric([node.name], float(getattr(node, name)))
        if nodes:
            yield family


def _states(statuses: list[CameraStatus]) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "costream_camera_state", "1 for the state that a camera is in.", labels=["camera", "state"]
    )
    for status in statuses:
        for state in get_args(CameraState):
            states.add_metric([status.id, state], float(status.state == state))
    yield states
    nodes = {status.id: status.node for status in statuses if status.node is not None}
    if nodes:
        family = GaugeMetricFamily(
            "costream_camera_node",
            "1 for the node that watches a camera.",
            labels=["camera", "node"],
        )
        for camera, node in nodes.items():
            family.add_metric([camera, node], 1)
        yield family


def _progress(statuses: list[CameraStatus]) -> Iterator[Metric]:
    for name, text in _GAUGES.items():
        yield _gauge(name, text, {s.id: getattr(s, name) for s in statuses})
    for name, text in _COUNTS.items():
        yield _count(name, text, {s.id: getattr(s, name) for s in statuses})
    yield _count_by(
        "reason",
        "frames",
        "Native frames, by why they were decoded, or were not (still, unreferenced).",
        {status.id: status.decoding for status in statuses},
    )
    last = "When a camera's last {} came."
    yield _gauge(
        "last_frame_time_seconds", last.format("frame"), {s.id: s.last_frame for s in statuses}
    )
    yield _gauge(
        "last_window_time_seconds", last.format("window"), {s.id: s.last_window for s in statuses}
    )
    yield _gauge(
        "lag_seconds", "From a window's last frame to its answers.", {s.id: s.lag for s in statuses}
    )
    stages = GaugeMetricFamily(
        "costream_camera_stage_seconds",
        "Time that the last window took, by stage.",
        labels=["camera", "stage"],
    )
    for status in statuses:
        for stage, seconds in status.stage_seconds.items():
            stages.add_metric([status.id, stage], seconds)
    yield stages


def _savings(statuses: list[CameraStatus]) -> Iterator[Metric]:
    for name, text in _SPENT.items():
        yield _count(name, text, {s.id: getattr(s.savings, name) for s in statuses})
    shares = {
        "kept_share": ("Share of new patches that were encoded.", "patches_kept", "patches_full"),
        "tokens_share": ("Share of visual tokens that were spent.", "tokens_spent", "tokens_full"),
        "flops_share": ("Share of operations that were run.", "flops_spent", "flops_full"),
        "bytes_share": ("Bytes as a share of those of JPEG.", "bytes_received", "bytes_jpeg"),
    }
    for name, (text, part, whole) in shares.items():
        yield _gauge(
            name,
            text,
            {s.id: _share(getattr(s.savings, part), getattr(s.savings, whole)) for s in statuses},
        )


def _scores(statuses: list[CameraStatus]) -> Iterator[Metric]:
    labels = ["camera", "question"]
    scores = GaugeMetricFamily("costream_camera_score", "The last score.", labels=labels)
    thresholds = GaugeMetricFamily("costream_camera_threshold", "Its threshold.", labels=labels)
    for status in statuses:
        for question, score in status.scores.items():
            thresholds.add_metric([status.id, question], score.threshold)
            if score.score is not None:
                scores.add_metric([status.id, question], score.score)
    yield scores
    yield thresholds


def _audits(statuses: list[CameraStatus]) -> Iterator[Metric]:
    """Yields what came of confirming and checking answers, of cameras of which some were."""
    audits = {status.id: status.audit for status in statuses if status.audit is not None}
    yield _count_by(
        "outcome",
        "confirmations",
        "Answers that turned to yes, by what full recomputation made of them.",
        {status.id: status.confirmations for status in statuses},
    )
    counts = {
        "windows": "Windows whose answers might have been checked.",
        "checked": "Windows that were run in full as well.",
        "missed": "Windows that were to be, and could not.",
    }
    for name, text in counts.items():
        yield _gauge(f"audit_{name}", text, {c: getattr(a, name) for c, a in audits.items()})
    labels = ["camera", "ask", "zone"]
    flips, low, high, difference = (
        GaugeMetricFamily(f"costream_camera_audit_{name}", text, labels=labels)
        for name, text in (
            ("flips", "Checked windows whose decision differs from that of full recomputation."),
            ("low", "Share of windows whose decision differs: lower bound of its interval."),
            ("high", "Share of windows whose decision differs: upper bound of its interval."),
            ("difference", "Mean absolute difference of the scores, estimated."),
        )
    )
    for camera, audit in audits.items():
        for question in audit.questions:
            names = [camera, question.ask, question.zone or ""]
            flips.add_metric(names, question.flips)
            low.add_metric(names, question.bounds.low)
            high.add_metric(names, question.bounds.high)
            difference.add_metric(names, question.difference)
    yield from (flips, low, high, difference)


def _count_by(label: str, name: str, text: str, counts: dict[str, dict[str, int]]) -> Metric:
    """Counts by camera and one more label."""
    labels = ["camera", label]
    family = CounterMetricFamily(f"costream_camera_{name}", text, labels=labels)
    for camera, numbers in counts.items():
        for value, number in numbers.items():
            family.add_metric([camera, value], number)
    return family


def _gauge(name: str, text: str, values: dict[str, float | None]) -> Metric:
    family = GaugeMetricFamily(f"costream_camera_{name}", text, labels=["camera"])
    for camera, value in values.items():
        if value is not None:
            family.add_metric([camera], value)
    return family


def _count(name: str, text: str, values: dict[str, float]) -> Metric:
    family = CounterMetricFamily(f"costream_camera_{name}", text, labels=["camera"])
    for camera, value in values.items():
        family.add_metric([camera], value)
    return family


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
