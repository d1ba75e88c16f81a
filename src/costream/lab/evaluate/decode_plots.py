"""Plots of the decoding benchmark, with matplotlib (the extra ``plots``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from costream.lab.evaluate.decode_case import SIZES, Activity
from costream.lab.evaluate.decode_stages import STAGES
from costream.lab.evaluate.decoding import WHOLE, DecodeRow
from costream.lab.evaluate.figures import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSS, LOAD, TIME = "decode-loss.png", "decode-load.png", "decode-time.png"

COLOURS: dict[Activity | None, str] = {
    "quiet": "tab:green", "visits": "tab:blue", "busy": "tab:red", None: "tab:gray",
}  # fmt: skip

LOAD_TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Streams a core that the axis of a plot names."""


def plot_decoding(rows: Sequence[DecodeRow], folder: Path) -> list[Path]:
    """Draws what is lost at which cost; of the sizes, streams a core and where its time goes.

    Args:
        rows: what was measured, at least one row.
        folder: where the PNGs go; made if it is missing.

    Returns:
        The files written: those of the sizes only where sizes were measured.

    Raises:
        SettingsError: matplotlib is not installed.
        OSError: the folder can't be written to.
    """
    sizes = [row for row in rows if row.setting in SIZES]
    figure = new_figure(8, 4.5)
    _draw_loss(figure.add_subplot(), [row for row in rows if row.mode != WHOLE])
    written = [save_figure(figure, folder / LOSS)]
    drawings: dict[str, Callable[[Figure, Sequence[DecodeRow]], None]] = {
        LOAD: _draw_loads, TIME: _draw_times,
    }  # fmt: skip
    for name, draw in drawings.items() if sizes else ():
        figure = new_figure(10, 4.5 if name == LOAD else 5.5)
        draw(figure, sizes)
        written.append(save_figure(figure, folder / name))
    return written


def _draw_loss(axes: Axes, rows: Sequence[DecodeRow]) -> None:
    for activity, colour in COLOURS.items():
        own = [row for row in rows if row.activity == activity]
        for codec, marker in zip(_codecs(own), "os^v", strict=False):
            part = [row for row in own if row.codec == codec]
            axes.scatter(
                [row.total for row in part],
                [100 * (row.full - row.recall) for row in part],
                label=f"{codec}, {activity}" if activity else codec,
                color=colour,
                marker=marker,
                alpha=0.6,
            )
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -0.5), max(high, 1.0))
    axes.axhline(0, color="0.6", linewidth=1)
    axes.axvline(1, color="0.6", linewidth=1)
    axes.set(
        xlabel="processor time, of full decoding's",
        ylabel="points of recall lost",
        xlim=(0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _draw_loads(figure: Figure, rows: Sequence[DecodeRow]) -> None:
    codecs = _codecs(rows)
    panels = figure.subplots(1, len(codecs), sharey=True, squeeze=False)[0]
    for axes, codec in zip(panels, codecs, strict=True):
        for activity, colour in COLOURS.items():
            for mode in _modes(rows):
                own = [
                    row for row in rows
                    if (row.codec, row.activity, row.mode) == (codec, activity, mode)
                ]  # fmt: skip
                style = "o--" if mode == WHOLE else "o-"
                if own:
                    heights, streams = [row.height for row in own], [row.streams for row in own]
                    axes.plot(heights, streams, style, color=colour, label=f"{activity}, {mode}")
        axes.set(xscale="log", yscale="log", xlabel="height in pixels", title=codec)
        heights = sorted({row.height for row in rows})
        axes.set_xticks(heights, [str(height) for height in heights])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    # The panels share this axis.
    least, most = (bound(row.streams for row in rows) for bound in (min, max))
    ticks = [tick for tick in LOAD_TICKS if least / 2 <= tick <= 2 * most]
    panels[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panels[0].set_ylabel("streams of 25 frames a second, one core")
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=8, loc="outside right upper")


def _draw_times(figure: Figure, rows: Sequence[DecodeRow]) -> None:
    axes = figure.add_subplot()
    names = [f"{row.codec} {row.activity} {row.height}p, {row.mode}" for row in rows]
    left = [0.0] * len(rows)
    for stage in STAGES:
        # Milliseconds of a core for a second of the stream, over that of full decoding.
        widths = [row.shares[stage] * _time(row, rows) for row in rows]
        axes.barh(names, widths, left=left, label=stage, height=0.7)
        left = [low + width for low, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=6)
    axes.set(xlabel="processor time, of full decoding's")
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, loc="outside right upper")
    figure.set_size_inches(10, 0.17 * len(rows) + 1.2)


def _time(row: DecodeRow, rows: Sequence[DecodeRow]) -> float:
    """Returns the time of a row, pruning included, over that of full decoding of the stream."""
    whole = next(
        one for one in rows
        if (one.codec, one.activity, one.setting, one.mode)
        == (row.codec, row.activity, row.setting, WHOLE)
    )  # fmt: skip
    return whole.streams / row.streams


def _codecs(rows: Sequence[DecodeRow]) -> list[str]:
    return list(dict.fromkeys(row.codec for row in rows))


def _modes(rows: Sequence[DecodeRow]) -> list[str]:
    return list(dict.fromkeys(row.mode for row in rows))
