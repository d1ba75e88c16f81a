"""``costream bench capacity``: how many cameras this machine carries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from costream.checkpoints import check_model
from costream.cli.bench import bench
from costream.cli.checks import check_sources
from costream.cli.console import open_console
from costream.cli.options import DeviceOpt, DtypeOpt, JsonOpt, ModelOpt, settings_for
from costream.engine.asks import checked_asks
from costream.errors import SettingsError
from costream.settings import EngineSettings

if TYPE_CHECKING:
    from costream.engine.verdict import Verdict
    from costream.engine.workers import Load
    from costream.lab.evaluate.capacity import Capacity, Floor


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
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, help="Processes; as many as cores on a CPU, one on a GPU."
        ),
    ] = None,
    device: DeviceOpt = None,
    dtype: DtypeOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Watch files with one model, more and more at once, as fast as they can be read.

    Windows a second and how many cameras that carries in real time; where the time goes, and how
    far it is from the floor: decoding and the FLOPs of what is computed, on all cores.
    """
    counts, asks = parse_counts(streams), checked_asks(ask or ["Is someone fighting?"])
    check_sources(source)
    check_model(model)
    settings = settings_for(model, {})
    from costream.cli.loading import load_engine, workers_for
    from costream.lab.evaluate.capacity import measure, measure_floor, spread

    floor = measure_floor(source[0], settings.stride)
    row_bytes = load_engine(model, settings, device, dtype).model.kv_shape.row_bytes
    load = partial(load_engine, model, settings, device, dtype)
    rows = []
    for count in counts:
        shared = min(workers or workers_for(device, count), count)

        found = measure(
            partial(_watch, load, settings, asks, shared),
            spread(source, count),
            stride=settings.stride,
            workers=shared,
            floor=floor,
            row_bytes=row_bytes,
        )
        rows.append((shared, found))
    if as_json:
        typer.echo(json.dumps([{**found.to_dict(), "workers": n} for n, found in rows]))
    else:
        _print(model, rows, floor)


def _watch(
    load: Load,
    settings: EngineSettings,
    asks: Sequence[str],
    workers: int,
    sources: Sequence[str],
) -> Iterator[Verdict]:
    from costream.cli.connect import Connect
    from costream.engine.workers import watch_in_workers
    from costream.video import DeferredSource

    connects = [Connect(name, settings.uses_motion, "all", {"reach": "local"}) for name in sources]
    waiting = [DeferredSource(connect, patience=0, backlog=1) for connect in connects]
    return watch_in_workers(load, waiting, asks, workers)


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


def _print(model: str, rows: list[tuple[int, Capacity]], floor: Floor) -> None:
    console = open_console()
    table = Table(title=f"Streams at once, {model}; milliseconds of a window by stage")
    names = ("streams", "workers", "windows/s", "cameras", "decode", "vision", "prefill", "floor")
    for name in names:
        table.add_column(name, justify="right")
    for shared, row in rows:
        stages = [f"{1e3 * row.seconds[name]:.1f}" for name in ("decode", "vision", "prefill")]
        rate, cameras = f"{row.windows_per_s:.1f}", f"{row.real_time_streams:.0f}"
        share = f"{row.floor_share:.0%}"
        table.add_row(str(row.streams), str(shared), rate, cameras, *stages, share)
    console.print(table)
    console.print(
        f"Floor: {1e3 * floor.decode:.1f} ms of decoding a window, and its FLOPs at the "
        f"{floor.gflops:.0f} GFLOP/s of one core, over what the cores had for it."
    )
