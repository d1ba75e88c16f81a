"""What reading motion vectors costs: processor time against plain decoding, file by file.

    python scripts/motion_cost.py FILE...

Each row holds milliseconds a native frame of plain single-threaded decoding, and the ratios to it
of FFmpeg's export alone, of ``Stream`` without motion and of ``Stream`` with it, sampled at 2 fps.
The ways are run in turn, so that a busy machine disturbs all alike; medians over the rounds.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import av

from costream.video import Stream

ROUNDS = 7


def decode(path: str, options: dict[str, str]) -> int:
    """Decodes a file with PyAV alone; returns its number of frames."""
    with av.open(path) as container:
        context = container.streams.video[0].codec_context
        context.thread_count = 1
        context.options = options
        return sum(1 for _ in container.decode(video=0))


def stream(path: str, motion: bool) -> int:
    """Samples a file at 2 fps; returns its number of frames."""
    with Stream(path, motion=motion, decode="all") as opened:
        for _ in opened.samples(2):
            pass
        return opened.health.frames


def measure(path: str) -> list[float]:
    """Returns a file's row: milliseconds of plain decoding, then the ratios."""
    ways: list[Callable[[], int]] = [
        lambda: decode(path, {}),
        lambda: decode(path, {"export_side_data": "+mvs"}),
        lambda: stream(path, motion=False),
        lambda: stream(path, motion=True),
    ]
    rounds = [[_cost(way) for way in ways] for _ in range(ROUNDS + 1)][1:]
    plain = statistics.median(each[0] for each in rounds)
    ratios = [
        statistics.median(each[way] / each[0] for each in rounds) for way in range(1, len(ways))
    ]
    return [plain, *ratios]


def _cost(way: Callable[[], int]) -> float:
    start = time.process_time()
    frames = way()
    return 1000 * (time.process_time() - start) / frames


def main() -> None:
    """Prints a table of the files named on the command line."""
    print(f"{'plain ms':>9}{'export':>9}{'no motion':>11}{'motion':>9}")
    for path in sys.argv[1:]:
        plain, export, without, motion = measure(path)
        print(f"{plain:9.2f}{export:9.2f}{without:11.2f}{motion:9.2f}  {path}", flush=True)


if __name__ == "__main__":
    main()
