"""How the service lasts: scripts/soak.py [--cameras 8] [--minutes 30] [--out out/soak].

``costream serve`` watches cameras of the synthetic world and tells a webhook on the loopback of its
events. Every few seconds the memory (proportional set size), file handles and threads of all its
processes are read from /proc. Written are a table, ``soak.json`` and ``soak.png``: how much each
grew from the first half to the second, and how long after a window's end its event was at the
webhook. Ends with status 1 where memory, handles or threads grew.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from costream.lab.synth import EVENTS, EventKind

EVERY = 5.0
"""Seconds from one look at the processes to the next."""

WARM_UP = 0.2
"""Share of the time that is not judged: models load, pools and rings fill."""

GROWTH = {"memory_mib": 1.03, "handles": 1.02, "threads": 1.02}
"""How much the second half's median may be above the first's."""

STRIDE = 2.0
"""Seconds by which windows of the embedded model move on."""

KINDS: tuple[EventKind, ...] = (
    "fall",
    "fighting",
    "fire",
    "abandoned",
    "loitering",
    "intrusion",
    "stealing",
    "panic",
)


@dataclass(frozen=True, slots=True)
class Look:
    """What the service's processes take at one moment.

    Attributes:
        seconds: since the start.
        memory_mib: proportional set size of all processes.
        handles: open file descriptors of all.
        threads: of all.
    """

    seconds: float
    memory_mib: float
    handles: int
    threads: int


class Receiver:
    """A webhook on the loopback that notes what came when."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, dict[str, Any]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.messages.append((time.time(), json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def delays(self) -> list[float]:
        """Seconds from the end of the window that began an event to its arrival."""
        return [
            came - (message["event"]["start"] + STRIDE)
            for came, message in self.messages
            if message["change"] == "new"
        ]


def configuration(cameras: int, url: str, data: Path) -> dict[str, Any]:
    """Returns the service's configuration: as many cameras, all asked everything."""
    questions = {kind.replace("_", "-"): {"ask": EVENTS[kind].questions[0]} for kind in KINDS}
    return {
        "model": "costream/tiny",
        "data": str(data),
        "server": {"port": 0},
        "questions": questions,
        "cameras": {
            f"camera-{n + 1}": {"url": f"synthetic:{KINDS[n % len(KINDS)]}:{n}"}
            for n in range(cameras)
        },
        "sinks": {"here": {"type": "webhook", "url": url}},
    }


@contextmanager
def service(config: dict[str, Any], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the service; ends it as a service manager does."""
    file = folder / "cameras.json"  # YAML, too
    file.write_text(json.dumps(config))
    with (folder / "serve.log").open("wb") as log:
        command = [sys.executable, "-m", "costream", "serve", str(file)]
        with subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                yield process
            finally:
                process.terminate()
                process.wait(60)


def family(process: int) -> list[int]:
    """Returns a process and all that it started."""
    found = [process]
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def look(process: int, begun: float) -> Look:
    """Adds up what the service's processes take now."""
    memory, handles, threads = 0, 0, 0
    for one in family(process):
        folder = Path(f"/proc/{one}")
        try:
            rollup = (folder / "smaps_rollup").read_text()
            memory += int(rollup.split("Pss:")[1].split()[0])
            handles += len(list((folder / "fd").iterdir()))
            threads += len(list((folder / "task").iterdir()))
        except (OSError, IndexError):  # it ended meanwhile
            continue
    return Look(time.monotonic() - begun, memory / 1024, handles, threads)


def watch(process: subprocess.Popen[bytes], seconds: float) -> list[Look]:
    """Looks at the service until the time is over."""
    begun = time.monotonic()
    looks = []
    while time.monotonic() - begun < seconds:
        time.sleep(EVERY)
        if process.poll() is not None:
            raise SystemExit(f"the service ended with status {process.returncode}")
        looks.append(look(process.pid, begun))
    return looks


def halves(looks: Sequence[Look], figure: str) -> tuple[float, float]:
    """Returns the medians of the first and the second half, the warm-up left out."""
    values = [getattr(one, figure) for one in looks[round(WARM_UP * len(looks)) :]]
    middle = len(values) // 2
    return statistics.median(values[:middle]), statistics.median(values[middle:])


def plot(looks: Sequence[Look], file: Path) -> None:
    """Draws the three figures over time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 1, figsize=(8, 6), sharex=True, layout="constrained")
    minutes = [one.seconds / 60 for one in looks]
    labels = {"memory_mib": "memory, MiB", "handles": "file handles", "threads": "threads"}
    for axis, (name, label) in zip(axes, labels.items(), strict=True):
        axis.plot(minutes, [getattr(one, name) for one in looks])
        axis.set(ylabel=label, ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("minutes")
    figure.savefig(file, dpi=120)


def main() -> None:
    """Runs the service for a while and judges what it took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=Path("out/soak"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    receiver = Receiver()
    config = configuration(options.cameras, receiver.url, options.out / "data")
    with service(config, options.out) as process:
        looks = watch(process, 60 * options.minutes)
    plot(looks, options.out / "soak.png")
    grown = False
    for figure, most in GROWTH.items():
        first, second = halves(looks, figure)
        grown |= second > most * first
        print(f"{figure:12} {first:10.1f} {second:10.1f}  {second / first - 1:+.1%}")
    delays = sorted(receiver.delays())
    if delays:
        late = delays[min(len(delays) - 1, round(0.95 * len(delays)))]
        print(
            f"events {len(delays)}: {statistics.median(delays):.2f} s median, {late:.2f} s at 95%"
        )
    report = {"looks": [asdict(one) for one in looks], "delays": delays}
    (options.out / "soak.json").write_text(json.dumps(report))
    sys.exit(grown)


if __name__ == "__main__":
    main()
