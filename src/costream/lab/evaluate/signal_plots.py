"""Plots of the signal benchmark, with matplotlib (the extra ``plots``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costream.lab.evaluate.figures import new_figure, save_figure
from costream.lab.evaluate.signal import SignalRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DETECTOR, SHARES = "signal-detector.png", "signal-keep.png"


def plot_signal(rows: Sequence[SignalRow], folder: Path) -> list[Path]:
    """Draws recall against precision, and the shares kept, one colour a pruner.

    Args:
        rows: what was measured, at least one row.
        folder: where the two PNGs go; made if it is missing.

    Returns:
        The files written.

    Raises:
        SettingsError: matplotlib is not installed.
        OSError: the folder can't be written to.
    """
    drawings = {DETECTOR: (_draw_detector, 5.0), SHARES: (_draw_shares, 0.3 * _streams(rows) + 2)}
    for name, (draw, height) in drawings.items():
        figure = new_figure(8, height)
        draw(figure.add_subplot(), rows)
        save_figure(figure, folder / name)
    return [folder / name for name in drawings]


def _draw_detector(axes: Axes, rows: Sequence[SignalRow]) -> None:
    for pruner, own in _by_pruner(rows).items():
        axes.scatter(
            [row.precision for row in own],
            [row.recall for row in own],
            label=pruner,
            marker="D" if own[0].default else "o",
            alpha=0.7,
        )
    axes.set(xlabel="precision", ylabel="recall", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend()


def _draw_shares(axes: Axes, rows: Sequence[SignalRow]) -> None:
    places: dict[str, int] = {}
    for row in rows:
        places.setdefault(_stream(row), len(places))
    for pruner, own in _by_pruner(rows).items():
        heights = [places[_stream(row)] for row in own]
        axes.scatter([row.keep for row in own], heights, label=pruner, alpha=0.8)
    axes.set_yticks(list(places.values()), list(places), fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="share of groups kept", xlim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _by_pruner(rows: Sequence[SignalRow]) -> dict[str, list[SignalRow]]:
    found: dict[str, Any] = {}
    for row in rows:
        found.setdefault(row.pruner, []).append(row)
    return found


def _stream(row: SignalRow) -> str:
    return f"{row.source} {row.codec} {row.setting}".strip()


def _streams(rows: Sequence[SignalRow]) -> int:
    return len({_stream(row) for row in rows})
