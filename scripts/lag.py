"""How far a watcher that is too slow falls behind a live camera: scripts/lag.py [--seconds 300].

A synthetic camera sends H.264 over TCP in real time, ready or not; ``costream run`` watches it at a
stride that it can't hold, and recomputes every window to be slower still. Its lag must stay below
two strides, which is what may wait, and twice the time of a window: the one that was under way and
the one that tells. Ends with status 1 where it doesn't, or where the watcher was not too slow by
the factor asked for.
"""

from __future__ import annotations

import argparse
import json
import queue
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, BinaryIO

from costream.cli.run import STRIDES_WAITING
from costream.lab.synth import LiveCamera, SyntheticCamera

WARM_UP = 2
"""Windows that are not judged: the first holds a whole window of new frames."""


@contextmanager
def camera_on_air(seconds: float) -> Iterator[str]:
    """Serves a camera, which begins again for every viewer; a viewer never holds it up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                send(listener.accept()[0], seconds)

    threading.Thread(target=serve, daemon=True).start()
    yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def send(connection: socket.socket, seconds: float) -> None:
    """Sends a camera's stream as it is made until it ends or nobody takes it."""
    sent: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    camera = SyntheticCamera(seed=7, width=640, height=360, fps=25)
    with LiveCamera(camera, seconds=seconds) as live, connection, suppress(OSError):
        threading.Thread(target=pump, args=(live.file, sent), daemon=True).start()
        while data := sent.get():
            connection.sendall(data)


def pump(file: BinaryIO, sent: queue.SimpleQueue[bytes]) -> None:
    """Takes all that the camera sends as it sends it; nothing at the end."""
    with suppress(ValueError):  # closed, as the viewer has left
        while data := file.read(65536):
            sent.put(data)
    sent.put(b"")


def watch(url: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns the lines of a run, each with the moment when it came."""
    command = [sys.executable, "-c", "from costream.cli import main; main()", "run", url]
    command += ["--ask", "Is someone fighting?", "--json", "--reconnect", "0"]
    command += ["--model", options.model, "--pruner", "none", "--refresh", "full"]
    command += ["--fps", str(options.fps), "--window", "4"]
    command += ["--stride", str(options.stride), "--frame-size", options.frame_size]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append({**json.loads(line), "came": time.time()})
    return lines


def main() -> int:
    """Runs it and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--model", default="costream/untrained-150m")
    parser.add_argument("--frame-size", default="256x160")
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--stride", type=float, default=0.2)
    parser.add_argument("--factor", type=float, default=5.0)
    options = parser.parse_args()
    with camera_on_air(options.seconds) as url:
        lines = watch(url, options)
    windows = [line for line in lines if "gap" not in line][WARM_UP:]
    lags = [window["lag"] for window in windows]
    spent = [sum(window["seconds"].values()) for window in windows]
    bound = STRIDES_WAITING * options.stride + 2 * max(spent)
    walls = [datetime.fromisoformat(window["wall"]).timestamp() for window in windows]
    drift = max(abs((wall - walls[0]) - (window["end"] - windows[0]["end"]))
                for wall, window in zip(walls, windows, strict=True))  # fmt: skip
    factor = statistics.median(spent) / options.stride
    skipped = sum(line["frames"] for line in lines if line.get("gap") == "skipped")
    print(f"{len(windows)} windows to {windows[-1]['end']:.0f} s, each {factor:.1f} strides' work")
    print(f"lag: median {statistics.median(lags):.2f} s, largest {max(lags):.2f} s")
    print(f"bound (two strides and the longest window twice): {bound:.2f} s")
    print(f"skipped: {skipped} of {options.fps * options.seconds:.0f} sampled frames")
    print(f"reception against the camera's clock: {drift:.2f} s apart at most")
    return 0 if max(lags) <= bound and factor >= options.factor else 1


if __name__ == "__main__":
    sys.exit(main())
