"""What real cameras let CoStream save: kept share, FLOPs and speed of a folder's clips, by scene.

    python scripts/real_clips.py FOLDER [--windows N] [--kind "a car park=*car-park*"]...

Each row is a kind of scene: files of the folder whose path under it fits a pattern. For each of two
frame sizes it holds the share of groups that the default pruner keeps after a clip's first frame
pair, which is always whole, and what ``costream bench speed`` measures, side by side with the stock
model in turn: FLOPs saved, and how many times faster, decoding included. The first window of a
clip, which has nothing to reuse, does not count; clips of one window have no such figures.
``--windows 0`` leaves them out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from costream.engine.engine import Engine
from costream.engine.schedule import HELD_WINDOWS
from costream.lab.evaluate.speed import Cost, compare
from costream.models import load_model
from costream.pruning import DEFAULT_PRUNER, PRUNERS, PatchGrid, PrunerSettings
from costream.settings import EngineSettings
from costream.video import Sample, Stream

MODEL = "costream/untrained-150m"
SIZES = ((384, 224), (640, 352))
"""Frame sizes: that of costream/tiny, and about the one that Qwen3-VL chooses for a wide frame."""

PATCH, MERGE, PAIR = 16, 2, 2
FPS, WINDOW, STRIDE = 2.0, 10.0, 2.0
SUFFIXES = (".mp4", ".avi", ".mkv", ".ts")

KINDS = {
    "a room, one person at a time": "*one-by-one*",
    "a car park, mostly empty": "*car-park*",
    "a busy road": "*motorway*",
    "light that jumps": "*brightness*",
    "a moving camera": "*aerial*",
    "CCTV, ordinary": "*/nofi*",
    "CCTV, fights": "*/fi[0-9]*",
}


@dataclass(frozen=True)
class Kept:
    """Groups kept of those there were."""

    kept: int
    groups: int


@dataclass(frozen=True)
class Speed:
    """What both sides spent on the windows after the first."""

    stock: tuple[Cost, ...]
    costream: tuple[Cost, ...]


def pairs(samples: Iterator[Sample]) -> Iterator[tuple[Sample, ...]]:
    """Yields what shares one grid: the frames of a temporal patch."""
    held: list[Sample] = []
    for sample in samples:
        if held and sample.tick // PAIR != held[0].tick // PAIR:
            yield tuple(held)
            held = []
        held.append(sample)
    if held:
        yield tuple(held)


def keep(path: Path, size: tuple[int, int]) -> Kept:
    """Runs the default pruner over a clip; the first frame pair does not count."""
    grid = PatchGrid(size[1] // PATCH, size[0] // PATCH, MERGE)
    anchors = PrunerSettings(anchor_every=round(HELD_WINDOWS * WINDOW * FPS))
    pruner = PRUNERS[DEFAULT_PRUNER](grid, anchors)
    with Stream(path, motion=False, decode="all") as stream:
        masks = [pruner.decide(patch).groups for patch in pairs(stream.samples(FPS))][1:]
    return Kept(int(np.sum(masks)), len(masks) * grid.groups)


def time(engine: Engine, path: Path, windows: int) -> Speed:
    """Compares with the stock model; the first window does not count."""
    report = compare(engine, str(path), "Is someone fighting?", windows + 1)
    return Speed(report.stock[1:], report.costream[1:])


def row(found: Sequence[tuple[Kept, Speed]]) -> list[str]:
    """Returns kept share, FLOPs saved and speed of the clips of a kind."""
    kept = sum(k.kept for k, _ in found) / max(1, sum(k.groups for k, _ in found))
    stock = [cost for _, speed in found for cost in speed.stock]
    ours = [cost for _, speed in found for cost in speed.costream]
    if not stock:
        return [f"{kept:.0%}", "-", "-"]
    saved = 1 - sum(cost.flops for cost in ours) / sum(cost.flops for cost in stock)
    times = sum(cost.seconds for cost in stock) / sum(cost.seconds for cost in ours)
    return [f"{kept:.0%}", f"{saved:.0%}", f"{times:.1f}x"]


def measure(paths: Sequence[Path], engine: Engine, windows: int) -> list[str]:
    """Returns a kind's figures at one frame size."""
    size = engine.settings.frame_size
    assert size is not None
    return row(
        [
            (keep(path, size), time(engine, path, windows) if windows else Speed((), ()))
            for path in paths
        ]
    )


def engines() -> list[Engine]:
    """Returns one engine for each frame size, of the same weights."""
    model = load_model(MODEL, device="cpu")
    chosen = {"fps": FPS, "window": WINDOW, "stride": STRIDE}
    return [Engine(model, EngineSettings(frame_size=size, **chosen)) for size in SIZES]


def main() -> None:
    """Prints the table as Markdown."""
    parser = argparse.ArgumentParser(description="Kept share, FLOPs and speed on real clips.")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--windows", type=int, default=12, help="most windows of a clip, 0 for none"
    )
    parser.add_argument("--kind", action="append", metavar="NAME=PATTERN", default=[])
    given = parser.parse_args()
    kinds = dict(kind.split("=", 1) for kind in given.kind) or KINDS
    files = [path for path in sorted(given.folder.rglob("*")) if path.suffix in SUFFIXES]
    sides = engines()
    sizes = [f"{width}x{height}" for width, height in SIZES]
    heads = [f"{what}, {size}" for size in sizes for what in ("kept", "FLOPs saved", "speed")]
    print(f"| scene | clips | {' | '.join(heads)} |\n|---|---:|{'---:|' * len(heads)}", flush=True)
    for name, pattern in kinds.items():
        paths = [p for p in files if p.relative_to(given.folder.parent).match(pattern)]
        if paths:
            cells = [cell for engine in sides for cell in measure(paths, engine, given.windows)]
            print(f"| {name} | {len(paths)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
