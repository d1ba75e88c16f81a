"""Plots of the capacity benchmark, with matplotlib (the extra ``plots``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from costream.lab.evaluate.capacity import Capacity
from costream.lab.evaluate.figures import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATE, LATE, TIME = "capacity-cameras.png", "capacity-lag.png", "capacity-seconds.png"


def plot_capacity(rows: Sequence[Capacity], folder: Path) -> list[Path]:
    """Draws over the number of streams: cameras carried, lag and delay, and where the time goes.

    Args:
        rows: what was measured, at least one row.
        folder: where the PNGs go; made if it is missing.

    Returns:
        The files written: that of lag and delay only where these were measured.

    Raises:
        SettingsError: matplotlib is not installed.
        OSError: the folder can't be written to.
    """
    drawings = {RATE: _draw_rate, TIME: _draw_time}
    if all(row.punctuality for row in rows):
        drawings[LATE] = _draw_late
    for name, draw in drawings.items():
        figure = new_figure(7, 4.2)
        draw(figure.add_subplot(), sorted(rows, key=lambda row: row.throughput.streams))
        save_figure(figure, folder / name)
    return [folder / name for name in drawings]


def _draw_rate(axes: Axes, rows: Sequence[Capacity]) -> None:
    streams = [row.throughput.streams for row in rows]
    axes.plot(streams, [row.real_time_streams for row in rows], "o-", label="carried")
    beside = [row.beside * row.stride for row in rows if row.beside is not None]
    if len(beside) == len(rows):
        axes.plot(streams, beside, "s--", label="carried beside busy neighbours")
    axes.plot(streams, streams, color="0.6", label="watched")
    axes.set(xlabel="streams at once", ylabel="cameras in real time", ylim=(0, None))
    axes.set_xticks(streams)
    axes.grid(alpha=0.3)
    axes.legend()


def _draw_late(axes: Axes, rows: Sequence[Capacity]) -> None:
    streams = [row.throughput.streams for row in rows]
    late = [row.punctuality for row in rows if row.punctuality is not None]
    for percent, style in ((50, "-"), (95, "--")):
        delays, lags = [p.delay(percent) for p in late], [p.lag(percent) for p in late]
        axes.plot(streams, delays, f"o{style}", color="tab:blue", label=f"delay, p{percent}")
        axes.plot(streams, lags, f"s{style}", color="tab:red", label=f"lag, p{percent}")
    axes.axhline(rows[0].stride, color="0.6", linewidth=1, label="stride")
    axes.set(xlabel="streams at once, in real time", ylabel="seconds", ylim=(0, None))
    axes.set_xticks(streams)
    axes.grid(alpha=0.3)
    axes.legend()


def _draw_time(axes: Axes, rows: Sequence[Capacity]) -> None:
    places = range(len(rows))
    bottom = [0.0] * len(rows)
    for stage in rows[0].throughput.seconds:
        heights = [1e3 * row.throughput.seconds[stage] for row in rows]
        axes.bar(places, heights, bottom=bottom, label=stage, width=0.6)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_xticks(places, [str(row.throughput.streams) for row in rows])
    axes.set(xlabel="streams at once", ylabel="milliseconds of a core, a window")
    axes.legend()
