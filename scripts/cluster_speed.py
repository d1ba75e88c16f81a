"""Windows a second of one node and of two: scripts/cluster_speed.py [--rounds 2] [--seconds 40].

Each node of a local cluster of Ray's has one core; the service, the database and Ray's own
processes have what is left of them. Cameras are files that are played as fast as they were
recorded, so many to each node, with more windows than it computes. One node and two take turns, and
the ratio is of the windows that were answered in the same time. Windows are computed whole, so that
each takes the same, however late it is.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import httpx

WARM_UP = 20.0
"""Seconds after every camera was first answered."""

MEMORY = 80 << 20

SETTINGS = {"pruner": "none", "refresh": "full", "fps": 4, "window": 16, "stride": 1}
"""Windows of 64 frames, once a second: a core does not compute as many as a few cameras have."""


@contextmanager
def cluster(cores: Sequence[int]) -> Iterator[str]:
    """Runs a cluster with a node on each of these cores; yields its address."""
    from ray.cluster_utils import Cluster

    everywhere = os.sched_getaffinity(0)
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": MEMORY}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        for core in cores:
            os.sched_setaffinity(0, {core})
            made.add_node(num_cpus=1, object_store_memory=MEMORY)
        os.sched_setaffinity(0, everywhere)
        yield str(made.address)
    finally:
        made.shutdown()


@contextmanager
def service(config: dict[str, Any], folder: Path, address: str) -> Iterator[httpx.Client]:
    """Runs the service on a cluster; yields a client of its API."""
    file, log = folder / "cameras.yaml", folder / "serve.log"
    file.write_text(json.dumps(config))
    command = [sys.executable, "-m", "costream", "serve", str(file), "--cluster", address]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            while (found := re.search(r"open (http://[^\s;]+)", log.read_text())) is None:
                if process.poll() is not None:
                    raise SystemExit(log.read_text())
                time.sleep(0.2)
            with httpx.Client(base_url=found[1], timeout=30) as client:
                yield client
        finally:
            process.terminate()
            process.wait(60)


def windows(client: httpx.Client) -> list[int]:
    """Returns how many windows of each camera were answered."""
    cameras = client.get("/api/cameras").json()["cameras"]
    return [camera["status"]["savings"]["windows"] for camera in cameras]


def windows_a_second(client: httpx.Client, seconds: float) -> float:
    """Returns the windows that were answered a second, of all cameras together.

    A camera that changes hands meanwhile is counted from 0 by its new node.
    """
    begun, before, answered = time.monotonic(), windows(client), 0
    while time.monotonic() - begun < seconds:
        time.sleep(1.0)
        now = windows(client)
        pairs = zip(now, before, strict=True)
        answered += sum(new - old if new >= old else new for new, old in pairs)
        before = now
    return answered / (time.monotonic() - begun)


def measure(film: Path, cores: Sequence[int], cameras: int, seconds: float) -> tuple[float, float]:
    """Returns the windows a second of a node on each of these cores, and their cameras' lag."""
    with tempfile.TemporaryDirectory() as folder, cluster(cores) as address:
        config = {
            "model": "costream/tiny",
            "data": "data",
            "server": {"port": 0},
            "engine": {"device": "cpu", "settings": SETTINGS},
            "alerts": {"threshold": 1, "sentence": False},
            "questions": {"fall": {"ask": "Has a person fallen?"}},
            "cameras": {
                f"camera-{n}": {"url": str(film), "loop": True} for n in range(cameras * len(cores))
            },
        }
        with service(config, Path(folder), address) as client:
            while min(windows(client)) < 1:
                time.sleep(0.5)
            time.sleep(WARM_UP)
            rate = windows_a_second(client, seconds)
            loads = [node["load"] for node in client.get("/api/nodes").json()]
    return rate, min(loads)


def main() -> None:
    """Measures in turn, and prints the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cameras", type=int, default=4, help="of each node")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    first, second, *_ = sorted(os.sched_getaffinity(0))
    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "camera.mp4"
        command = [sys.executable, "-m", "costream", "synth", str(film), "--rate", "10"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for round in range(chosen.rounds):
            for cores in ([first], [first, second]):
                rate, load = measure(film, cores, chosen.cameras, chosen.seconds)
                rates[len(cores)].append(rate)
                print(
                    f"round {round + 1}: {len(cores)} nodes, {rate:.2f} windows/s, load {load:.2f}",
                    flush=True,
                )
    one, two = fmean(rates[1]), fmean(rates[2])
    print(
        f"two nodes answer {two / one:.2f} times the windows of one "
        f"({two:.2f} / {one:.2f} a second)"
    )


if __name__ == "__main__":
    main()
