"""How many cameras a machine carries: windows a second of some streams at once, and what bounds it.

Streams are files that are read as fast as they can be. Start-up is left out: what counts lies
between the moment when every stream has given its first window and the moment when the first of
them has ended. The clock is that of this process, outside the workers.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from time import perf_counter, process_time
from typing import Any

import av
import torch

from costream.engine.verdict import Verdict
from costream.errors import SettingsError, SourceError

Watch = Callable[[Sequence[str]], Iterator[Verdict]]
"""Watches sources, with an engine of its own."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What can't be saved, on one core.

    Attributes:
        decode: seconds that decoding a stride takes FFmpeg, with one thread.
        gflops: GFLOPs a second of a product of matrices.
    """

    decode: float
    gflops: float

    def seconds(self, verdict: Verdict) -> float:
        """Returns the least seconds of one core that a window takes."""
        return self.decode + verdict.flops.spent / (1e9 * self.gflops)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What some streams at once came to.

    Attributes:
        streams: how many.
        windows: windows that were counted.
        windows_per_s: how many a second.
        real_time_streams: cameras that this is enough for.
        row_bytes: memory of a stream's rows in the KV pool, the mean over windows.
        peak_bytes: memory of the largest worker so far, times the workers.
        seconds: of a window, by stage, as the workers measured them.
        floor_share: the least processor time of a window, over what the cores had for it.
    """

    streams: int
    windows: int
    windows_per_s: float
    real_time_streams: float
    row_bytes: float
    peak_bytes: int
    seconds: dict[str, float]
    floor_share: float

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON-ready values."""
        return asdict(self)


def measure(
    watch: Watch,
    sources: Sequence[str],
    *,
    stride: float,
    workers: int,
    floor: Floor,
    row_bytes: int,
) -> Capacity:
    """Watches sources and counts what comes while all of them are under way.

    Args:
        watch: watches them.
        sources: the files; one may be named several times.
        stride: of the window, in seconds.
        workers: processes that share them, a core each.
        floor: what can't be saved.
        row_bytes: of the pool.

    Raises:
        SettingsError: a source is too short: it ends before all have begun.
    """
    came: list[tuple[float, Verdict]] = []
    begun, ended = 0.0, dict[str, float]()
    for verdict in watch(sources):
        now = perf_counter()
        came.append((now, verdict))
        begun = now if verdict.index == 0 else begun
        ended[verdict.stream] = now
    end = min(ended.values(), default=0.0)
    seen = [verdict for at, verdict in came if begun < at <= end]
    if not seen:
        raise SettingsError("no window came once all streams had begun: name longer sources")
    rate = len(seen) / (end - begun)
    return Capacity(
        streams=len(sources),
        windows=len(seen),
        windows_per_s=rate,
        real_time_streams=rate * stride,
        row_bytes=fmean(v.rows for v in seen) * row_bytes,
        peak_bytes=_peak_bytes(workers),
        seconds=_stages(seen),
        floor_share=fmean(map(floor.seconds, seen)) * rate / workers,
    )


def measure_floor(source: str, stride: float) -> Floor:
    """Measures what a window of a source takes at the least, on one core.

    Raises:
        SourceError: the source holds no frame.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return Floor(_decode_seconds(source) * stride, _gflops())
    finally:
        torch.set_num_threads(threads)


def spread(sources: Sequence[str], streams: int) -> list[str]:
    """Returns as many sources as there are streams, each named about equally often."""
    return [sources[n % len(sources)] for n in range(streams)]


def _stages(verdicts: Iterable[Verdict]) -> dict[str, float]:
    found = [asdict(verdict.seconds) for verdict in verdicts]
    return {stage: fmean(seconds[stage] for seconds in found) for stage in found[0]}


def _peak_bytes(workers: int) -> int:
    # In KiB, of the largest that has ended.
    return 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * workers


def _decode_seconds(source: str) -> float:
    """Returns the seconds of one core that decoding a second of a source takes."""
    begun, frames = process_time(), 0
    with av.open(str(Path(source))) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        frames = sum(1 for _ in container.decode(stream))
        rate = float(stream.average_rate or 25)
    if not frames:
        raise SourceError(f"{source} holds no frame")
    return (process_time() - begun) * rate / frames


def _gflops(size: int = 768, repeat: int = 8) -> float:
    matrix = torch.ones(size, size)
    matrix @ matrix
    begun = perf_counter()
    for _ in range(repeat):
        matrix @ matrix
    return repeat * 2e-9 * size**3 / (perf_counter() - begun)
