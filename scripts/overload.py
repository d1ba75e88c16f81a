"""What becomes of cameras when there are twice as many as an engine keeps up with.

    python scripts/overload.py [--cameras 24] [--more 54] [--seconds 60] [--out out/overload]

A busy scene of the synthetic world is encoded once and played as so many live cameras, in their own
time and over and over, by processes beside the engine, which has one thread. After some time more
cameras come, and after ``--seconds`` these leave. Told are how much work that was as usual, as a
share of what the engine can do, how late answers were while it lasted and in its last half, which
operating points were reached, and how long after the end all was as before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from costream.engine.engine import Engine
from costream.engine.handle import WatchHandle
from costream.engine.ingest_process import read_apart
from costream.lab.synth import EncoderSettings, encode
from costream.lab.synth.world import WorldCamera
from costream.video import DeferredSource
from costream.video.paced import PacedStream

ASKS = ("Has an object been stolen?", "Has a person fallen to the floor?")
CLIP = 120.0
"""Seconds of video."""

WARM_UP = 25.0
"""Seconds before further cameras come: the first windows have to be full."""


def main() -> None:
    """Plays, loads, and tells."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cameras", type=int, default=24)
    parser.add_argument("--more", type=int, default=54)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("out/overload"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    clip = options.out / "busy.mp4"
    if not clip.exists():
        render(clip, CLIP)
    report = play(clip, options.cameras, options.more, options.seconds)
    (options.out / "overload.json").write_text(json.dumps(report, indent=1))
    print(json.dumps(report, indent=1))


def played(clip: Path, number: int) -> Callable[[], PacedStream]:
    """Returns what plays a file as a camera, over and over."""
    name = f"<camera {number}>"
    return partial(PacedStream, clip, loop=True, motion=False, name=name)


def render(path: Path, seconds: float) -> None:
    """Renders and encodes a busy scene."""
    camera = WorldCamera(4, scene="hall", seconds=seconds, fps=12.5)
    pictures = (camera.frame(index) for index in range(camera.frames))
    encode(pictures, path, fps=12.5, settings=EncoderSettings())


def play(clip: Path, cameras: int, more: int, seconds: float) -> dict[str, object]:
    """Watches cameras while others come and go; returns what became of them."""
    torch.set_num_threads(1)
    engine = Engine.from_pretrained(device="cpu")
    backlog = 2 * engine.settings.stride
    sources = [
        DeferredSource(played(clip, n), patience=0, backlog=backlog) for n in range(cameras + more)
    ]
    streams = read_apart(sources, 2)
    results: list[tuple[float, float, str, float]] = []
    skipped: list[float] = []
    begun = time.monotonic()
    loaded, ended = WARM_UP, WARM_UP + seconds
    with engine.session() as session:

        def add(some: slice) -> list[WatchHandle]:
            return [
                session.add(s, ASKS, on_gap=lambda gap: skipped.append(gap.frames))
                for s in streams[some]
            ]

        def come_and_go() -> None:
            time.sleep(loaded)
            guests = add(slice(cameras, None))
            time.sleep(seconds)
            for guest in guests:
                guest.cancel()

        add(slice(0, cameras))
        threading.Thread(target=come_and_go, daemon=True).start()
        for _, result in session:
            now = time.monotonic() - begun
            work = result.seconds.vision + result.seconds.prefill + result.seconds.generate
            results.append((now, result.lag or 0.0, result.point, work))
            if now > ended + 75:
                break
    for stream in streams:
        stream.close()
    during = [r for r in results if loaded < r[0] < ended]
    settled = [r for r in during if r[0] > ended - seconds / 2]
    after = [r for r in results if r[0] > ended]
    late = [r[0] - ended for r in after if r[2] != "usual"]
    usual = [work for now, _, point, work in results if point == "usual" and 12 < now < loaded]
    return {
        "cameras": cameras,
        "more": more,
        "work as usual": {
            "before": cameras * statistics.mean(usual) / engine.settings.stride,
            "during": (cameras + more) * statistics.mean(usual) / engine.settings.stride,
        },
        "lag before": lags([r[1] for r in results if 12 < r[0] < loaded]),
        "lag during": lags([r[1] for r in during]),
        "lag in its last half": lags([r[1] for r in settled]),
        "lag after": lags([r[1] for r in after if r[0] > ended + 30]),
        "points": {point: sum(r[2] == point for r in results) for point in order(results)},
        "as before after": max(late, default=0.0),
        "frames skipped": sum(skipped),
    }


def lags(values: list[float]) -> dict[str, float]:
    """Returns median and the most, in seconds."""
    return {"median": statistics.median(values), "most": max(values), "windows": len(values)}


def order(results: list[tuple[float, float, str, float]]) -> list[str]:
    """Returns the operating points in the order in which they were first seen."""
    return list(dict.fromkeys(point for _, _, point, _ in results))


if __name__ == "__main__":
    main()
