"""``costream bench capacity``: how many cameras this machine carries."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from costream.checkpoints import check_model
from costream.cli.bench import bench
from costream.cli.checks import check_sources
from costream.cli.console import open_console
from costream.cli.options import DeviceOpt, DtypeOpt, JsonOpt, ModelOpt, settings_for
from costream.engine.asks import checked_asks
from costream.errors import SettingsError
from costream.printable import printable

if TYPE_CHECKING:
    from costream.engine.engine import Engine
    from costream.engine.result import Result
    from costream.engine.workers import Load
    from costream.lab.evaluate.capacity import Capacity, Floor, Throughput
    from costream.lab.evaluate.punctuality import Punctuality
    from costream.lab.evaluate.rehearsal import Pace


@bench.command()
def capacity(
    source: Annotated[
        list[str], typer.Option("--source", help="A file to watch. May be given again.")
    ],
    streams: Annotated[
        str, typer.Option("--streams", help="How many at once, such as 1,4,8.")
    ] = "1,2,4,8",
    ask: Annotated[
        list[str] | None, typer.Option("--ask", help="A question. May be given again.")
    ] = None,
    model: ModelOpt = "costream/tiny",
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds",
            min=0,
            help="Seconds to measure for, at full speed and again in real time, which lag and "
            "delay are measured in. 0: files to their end, and not in real time.",
        ),
    ] = 20.0,
    busy: Annotated[
        int,
        typer.Option(
            "--busy", min=0, help="Measure again beside so many processes that keep a core busy."
        ),
    ] = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, help="Processes; as many as cores on a CPU, one on a GPU."
        ),
    ] = None,
    device: DeviceOpt = None,
    dtype: DtypeOpt = None,
    plots: Annotated[
        Path | None,
        typer.Option("--plots", help="Directory to write plots to (needs costream\\[plots])."),
    ] = None,
    as_json: JsonOpt = False,
) -> None:
    """Watch files with one model, more and more at once: how many cameras are carried, how late.

    Windows a second and how many cameras that carries in real time; in real time, how late results
    come; where the time goes, and how far it is from the floor: decoding and the FLOPs of what is
    computed, on all cores. What is measured how: docs/performance.md.
    """
    counts, asks = parse_counts(streams), checked_asks(ask or ["Is someone fighting?"])
    check_sources(source)
    check_model(model)
    settings = settings_for(model, {})
    from costream.cli.loading import load_engine, workers_for
    from costream.lab.evaluate.capacity import measure_floor
    from costream.lab.evaluate.figures import check_plots

    if plots is not None:
        check_plots()
    floor, console = measure_floor(source[0], settings.stride), open_console(stderr=True)
    trial = _Trial(
        partial(load_engine, model, settings, device, dtype),
        load_engine(model, settings, device, dtype),
        asks,
        source,
        floor,
        seconds,
    )
    rows = []
    for count in counts:
        console.print(f"streams at once: {count}", style="dim")
        rows.append(trial.row(count, min(workers or workers_for(device, count), count), busy))
    if as_json:
        typer.echo(json.dumps([row.to_dict() for row in rows]))
    else:
        _print(model, rows, floor)
    if plots is not None:
        _plot(rows, plots, console)


@dataclass(frozen=True, slots=True)
class _Trial:
    """What all rows of the benchmark have in common.

    Attributes:
        load: loads an engine in a worker.
        engine: an engine of the same model, which is asked for sizes.
        asks: the questions.
        sources: the files.
        floor: what can't be saved.
        seconds: to measure for; 0 for files to their end.
    """

    load: Load
    engine: Engine
    asks: Sequence[str]
    sources: Sequence[str]
    floor: Floor
    seconds: float

    def row(self, streams: int, workers: int, busy: int) -> Capacity:
        """Measures so many streams at once, shared by so many workers."""
        from costream.lab.evaluate.capacity import Capacity
        from costream.lab.evaluate.neighbours import busy_neighbours

        found, beside = self._throughput(streams, workers), None
        if busy:
            with busy_neighbours(busy):
                beside = self._throughput(streams, workers).windows_per_s
        late = self._punctuality(streams, workers) if self.seconds else None
        size = found.rows * self.engine.model.kv_shape.row_bytes + self._memory_bytes()
        return Capacity(found, self.engine.settings.stride, size, late, beside)

    def _throughput(self, streams: int, workers: int) -> Throughput:
        from costream.lab.evaluate.capacity import measure

        results = self._watch(streams, workers, [None] * streams)
        return measure(results, streams, workers, self.floor, self.seconds or inf)

    def _punctuality(self, streams: int, workers: int) -> Punctuality:
        from costream.lab.evaluate.punctuality import measure_punctuality
        from costream.lab.evaluate.rehearsal import Pace

        settings = self.engine.settings
        phases = [settings.stride * number / streams for number in range(streams)]
        return measure_punctuality(
            self._watch(streams, workers, [Pace(settings.window, phase) for phase in phases]),
            streams,
            stride=settings.stride,
            seconds=self.seconds,
            length=min(map(_length, self.sources)),
        )

    def _watch(
        self, streams: int, workers: int, paces: Sequence[Pace | None]
    ) -> Generator[Result, None, None]:
        from costream.cli.connect import Connect
        from costream.engine.workers import watch_in_workers
        from costream.lab.evaluate.capacity import spread
        from costream.lab.evaluate.rehearsal import RehearsedSource

        motion = self.engine.settings.uses_motion
        sources = [
            RehearsedSource(Connect(name, motion, "auto", {"reach": "local"}), number, pace)
            for number, (name, pace) in enumerate(
                zip(spread(self.sources, streams), paces, strict=True)
            )
        ]
        yield from watch_in_workers(self.load, sources, self.asks, workers)

    def _memory_bytes(self) -> int:
        """Returns the encoder memory of a stream of the first file."""
        from costream.video import Stream

        model, settings = self.engine.model, self.engine.settings
        if not settings.hold:
            return 0
        with Stream(self.sources[0], reach="local") as stream:
            info = stream.info
        frames = self.engine.schedule.window
        geometry = model.geometry(info.width, info.height, frames, settings.frame_size)
        return model.memory_shape(geometry).numbers * model.kv_shape.dtype.itemsize


def _length(source: str) -> float:
    """Returns the seconds of a file; infinity where it doesn't say."""
    from costream.video import Stream

    with Stream(source, reach="local") as stream:
        return inf if stream.info.duration is None else stream.info.duration


def parse_counts(text: str) -> list[int]:
    """Reads numbers of streams.

    Raises:
        SettingsError: they are no positive whole numbers.
    """
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise SettingsError(f"--streams takes whole numbers such as 1,4,8, not {text!r}")
    return counts


def _plot(rows: Sequence[Capacity], folder: Path, console: Console) -> None:
    from costream.lab.evaluate.capacity_plots import plot_capacity

    for path in plot_capacity(rows, folder):
        console.print(printable(f"plot: {path}"), soft_wrap=True)


def _print(model: str, rows: Sequence[Capacity], floor: Floor) -> None:
    console = open_console()
    columns = ("streams", "workers", "windows/s", "cameras", "lag s", "delay s", "MiB", "floor")
    busy = ("left",) if rows[0].beside is not None else ()
    cameras = _table(f"Streams at once, {model}", (*columns, *busy))
    stages = _table("Milliseconds of a core, a window", ("streams", *rows[0].throughput.seconds))
    for row in rows:
        cameras.add_row(*_cells(row))
        times = (f"{1e3 * time:.1f}" for time in row.throughput.seconds.values())
        stages.add_row(str(row.throughput.streams), *times)
    console.print(cameras, stages)
    console.print(
        "cameras: carried in real time. lag, delay: median and 95th percentile, behind the time a "
        "result was due and behind the window's end. MiB: of a stream, and the most of all "
        "workers. left: of the windows/s, beside busy neighbours. "
        f"Floor: {1e3 * floor.decode:.1f} ms of decoding a window, and its FLOPs at the "
        f"{floor.gflops:.0f} GFLOP/s of one core, over what the cores had for it.",
        style="dim",
    )


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, box=None, pad_edge=False, title_justify="left", title_style="bold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _cells(row: Capacity) -> list[str]:
    found, late = row.throughput, row.punctuality
    lag = f"{late.lag(50):.2f} {late.lag(95):.2f}" if late else "-"
    delay = f"{late.delay(50):.2f} {late.delay(95):.2f}" if late else "-"
    return [
        str(found.streams),
        str(found.workers),
        f"{found.windows_per_s:.1f}",
        f"{row.real_time_streams:.0f}",
        lag,
        delay,
        f"{row.stream_bytes / 2**20:.1f} {found.peak_bytes / 2**20:.0f}",
        f"{found.floor_share:.0%}",
        *([] if row.busy_share is None else [f"{row.busy_share:.0%}"]),
    ]
