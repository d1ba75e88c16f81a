"""What controllers make of a stream on which the default is wrong, and of one on which it is not.

    python scripts/control.py [--streams wrong,quiet] [--minutes 30] [--audit 1] [--target 0.01]
                              [--out out/control]

Streams of the synthetic world are rendered and encoded, and watched three times: as by default,
under a bound of disagreement, and recomputed in full. Of each it is told how often decisions differ
from those of full recomputation before and after the first move, when that came, and what windows
cost at the beginning and in the end.

``wrong``: a hall in dim light that drifts, in which people hardly stand out, by a coarse quantiser.
``quiet``: a corridor in even light in which nobody passes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from costream.engine.audit_ring import audit_ring
from costream.engine.engine import Engine
from costream.engine.result import Result
from costream.lab.synth import EncoderSettings, EventKind, encode
from costream.lab.synth.light import LightChange
from costream.lab.synth.world import WorldCamera
from costream.video import DeferredSource, Stream
from costream.video.stream import Decoding

FPS = 12.5
ASKS = (
    "Has an object been stolen?",
    "Does a person keep wandering back and forth?",
    "Has a person fallen to the floor?",
    "Are people hitting each other?",
)
KINDS: tuple[EventKind, ...] = ("fall", "loitering", "stealing", "fighting")


def main() -> None:
    """Renders, watches and compares."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", default="wrong,quiet")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--audit", type=float, default=1.0)
    parser.add_argument("--target", type=float, default=0.01)
    parser.add_argument("--out", type=Path, default=Path("out/control"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.streams.split(","):
        clip = options.out / f"{name}-{options.minutes:g}.mp4"
        if not clip.exists():
            render(name, 60 * options.minutes, clip)
        report = compare(clip, options.audit, options.target)
        (options.out / f"{name}.json").write_text(json.dumps(report, indent=1))
        print(name, json.dumps(report, indent=1))


def render(name: str, seconds: float, path: Path) -> None:
    """Renders and encodes a stream."""
    if name == "wrong":
        chapters = round(seconds / 30)
        light = [LightChange(0.0, 0.0, 0.45)]
        for turn in range(int(seconds / 60)):
            light.append(LightChange(60.0 * turn, 25.0, 0.8))
            light.append(LightChange(60.0 * turn + 30, 25.0, 1.25))
        camera = WorldCamera(
            25,
            scene="hall",
            event=tuple(KINDS[n % len(KINDS)] for n in range(chapters)),
            seconds=seconds,
            fps=FPS,
            noise=0.5,
            shake=0.0,
            lights=light,
        )
        settings = EncoderSettings(crf=36.0, gop=250)
    else:
        camera = WorldCamera(
            3, scene="corridor", seconds=seconds, fps=FPS, shake=0.0, lights=(), passers=False
        )
        settings = EncoderSettings()
    pictures = (camera.frame(index) for index in range(camera.frames))
    encode(pictures, path, fps=FPS, settings=settings)


def watch(clip: Path, **settings: Any) -> list[Result]:
    """Returns what the embedded model says of a clip under some settings."""
    engine = Engine.from_pretrained(device="cpu", **settings)
    decode: Decoding = "all" if settings.get("refresh") == "full" else "auto"
    source = DeferredSource(
        partial(Stream, clip, motion=False, decode=decode),
        patience=0,
        backlog=16,
        keep=audit_ring(engine.settings) if engine.settings.audit else None,
    )
    return list(engine.watch(source, ASKS))


def compare(clip: Path, audit: float, target: float) -> dict[str, object]:
    """Returns what a bound of disagreement made of a stream."""
    full = decisions(watch(clip, pruner="none", refresh="full"))
    usual = watch(clip)
    held = watch(clip, audit=audit, max_disagreement=target)
    moves = [move for result in held for move in result.moves]
    first = moves[0].window if moves else len(held)
    differs = (decisions(held) != full).mean(axis=1)
    third = len(held) // 3
    return {
        "windows": len(held),
        "usual": {
            "differ": float((decisions(usual) != full).mean()),
            "yes": float(full.mean()),
            "cost": cost(usual),
        },
        "first move": first,
        "differ before it": float(differs[:first].mean()) if first else None,
        "differ by thirds": [float(part.mean()) for part in np.array_split(differs, 3)],
        "cost by thirds": [cost(held[n * third : (n + 1) * third]) for n in range(3)],
        "moves": [f"{move.window}: {move}" for move in moves],
    }


def decisions(results: Sequence[Result]) -> np.ndarray:
    """Returns whether answers are a yes: bool [windows, questions]."""
    return np.array([[answer.decision == "yes" for answer in r.answers] for r in results])


def cost(results: Sequence[Result]) -> float:
    """Returns operations as a share of full recomputation's."""
    return sum(r.flops.spent for r in results) / sum(r.flops.full for r in results)


if __name__ == "__main__":
    main()
