"""How many cameras a machine carries: windows a second of some streams at once, and what bounds it.

Streams are files that are read as fast as they can be. Start-up is left out: what counts lies
between the moment when every stream has given its first window and the moment when the first of
them has ended, or enough time has passed. The clock is that of this process, outside the workers.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from statistics import fmean
from time import perf_counter, process_time
from typing import Any

import av
import torch

from costream.engine.result import Result
from costream.errors import SettingsError, SourceError
from costream.lab.evaluate.punctuality import Punctuality

_LOOK_EVERY = 0.5
"""Seconds from one look at the workers' memory to the next."""

_STAGES = ("decode", "prune", "vision", "prefill")


@dataclass(frozen=True, slots=True)
class Floor:
    """What can't be saved, on one core.

    Attributes:
        decode: seconds that decoding a stride takes FFmpeg, with one thread.
        gflops: GFLOPs a second of a product of matrices.
    """

    decode: float
    gflops: float

    def seconds(self, result: Result) -> float:
        """Returns the least seconds of one core that a window takes."""
        return self.decode + result.flops.spent / (1e9 * self.gflops)


@dataclass(frozen=True, slots=True)
class Throughput:
    """What some streams at once came to, read as fast as they can be.

    Attributes:
        streams: how many.
        workers: processes that share them, a core each.
        windows: windows that were counted.
        windows_per_s: how many a second.
        rows: rows of the KV pool that a stream refers to, the mean over windows.
        peak_bytes: most memory of all workers together.
        seconds: of a window, by stage, as the workers measured them; ``other`` is the rest of the
            processes' time, answers that are written and waiting included.
        floor_share: the least processor time of a window, over what the workers had for it.
    """

    streams: int
    workers: int
    windows: int
    windows_per_s: float
    rows: float
    peak_bytes: int
    seconds: dict[str, float]
    floor_share: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """A row of the benchmark: how so many streams at once go.

    Attributes:
        throughput: as fast as they can be read.
        stride: of the window, in seconds.
        stream_bytes: memory of a stream: its rows of the KV pool and its encoder memory.
        punctuality: in real time, where that was measured.
        beside: windows a second beside busy neighbours, where that was measured.
    """

    throughput: Throughput
    stride: float
    stream_bytes: float
    punctuality: Punctuality | None = None
    beside: float | None = None

    @property
    def real_time_streams(self) -> float:
        """Cameras that the throughput is enough for."""
        return self.throughput.windows_per_s * self.stride

    @property
    def busy_share(self) -> float | None:
        """Share of the throughput that is left beside busy neighbours."""
        return None if self.beside is None else self.beside / self.throughput.windows_per_s

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON-ready values; what was not measured is None."""
        found, late = self.throughput, self.punctuality
        return {
            "streams": found.streams,
            "windows_per_s": found.windows_per_s,
            "real_time_streams": self.real_time_streams,
            "lag_p50_s": late and late.lag(50),
            "lag_p95_s": late and late.lag(95),
            "delay_p50_s": late and late.delay(50),
            "delay_p95_s": late and late.delay(95),
            "stream_bytes": self.stream_bytes,
            "peak_bytes": found.peak_bytes,
            "seconds": found.seconds,
            "floor_share": found.floor_share,
            "workers": found.workers,
            "windows": found.windows,
            "busy_windows_per_s": self.beside,
            "busy_share": self.busy_share,
        }


def measure(
    results: Generator[Result, None, None],
    streams: int,
    workers: int,
    floor: Floor,
    longest: float = inf,
) -> Throughput:
    """Counts what comes of streams while all of them are under way.

    Args:
        results: those of all streams, as they come; closed in the end.
        streams: how many streams there are, each of a name of its own.
        workers: processes that share them, a core each.
        floor: what can't be saved.
        longest: seconds after which it is enough.

    Raises:
        SettingsError: a stream is too short: it ends before all have begun.
    """
    came: list[tuple[float, Result]] = []
    latest, begun, memory = dict[str, float](), inf, _Memory()
    with closing(results):
        for result in results:
            now = perf_counter()
            came.append((now, result))
            if begun == inf and len({*latest, result.stream}) == streams:
                begun = now
            latest[result.stream] = now
            memory.look(now)
            if now - begun > longest:
                break
    end = came[-1][0] if came and came[-1][0] - begun > longest else min(latest.values(), default=0)
    seen = [result for at, result in came if begun < at <= end]
    if not seen:
        raise SettingsError("no window came once all streams had begun: name longer sources")
    rate = len(seen) / (end - begun)
    return Throughput(
        streams=streams,
        workers=workers,
        windows=len(seen),
        windows_per_s=rate,
        rows=fmean(v.rows for v in seen),
        peak_bytes=memory.peak,
        seconds=_stages(seen, workers / rate),
        floor_share=fmean(map(floor.seconds, seen)) * rate / workers,
    )


class _Memory:
    """The most memory that the processes of this one took, but for those that were there before.

    Attributes:
        peak: bytes, all of them together.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._before = {child.pid for child in multiprocessing.active_children()}
        self._next = 0.0

    def look(self, now: float) -> None:
        """Looks at them, now and then."""
        if now < self._next:
            return
        self._next = now + _LOOK_EVERY
        pids = {child.pid for child in multiprocessing.active_children()} - self._before
        self.peak = max(self.peak, sum(_peak_bytes(pid) for pid in pids if pid is not None))


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


def _stages(results: Iterable[Result], had: float) -> dict[str, float]:
    """Returns the seconds of a window by stage, of those that the workers had for it."""
    every = [asdict(result.seconds) for result in results]
    found = {stage: fmean(seconds[stage] for seconds in every) for stage in _STAGES}
    return {**found, "other": max(0.0, had - sum(found.values()))}


def _peak_bytes(pid: int) -> int:
    """Returns the most memory that a process had so far; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


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
