"""The plot of a frontier, with matplotlib (the extra ``plots``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from costream.lab.evaluate.figures import new_figure, save_figure
from costream.lab.evaluate.frontier import FrontierPoint
from costream.lab.evaluate.policies import DEFAULT, REFERENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRONTIER = "frontier.png"
STRONG = "tab:red"
MARKS = "osD^v<>Phx*X+1"
COLOURS = (
    "tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:pink", "tab:gray",
    "tab:olive", "tab:cyan", "black", "navy", "goldenrod", "teal",
)  # fmt: skip

MEASURES = {
    "own_f1": "video F1, each calibrated for itself",
    "flips": "answers flipped",
    "yes_flips": "flipped, of the yes",
}


def plot_frontier(points: Sequence[FrontierPoint], folder: Path) -> Path:
    """Draws F1 and flips against the FLOPs saved on the video, a line for every policy.

    Args:
        points: of one policy after the other.
        folder: where the PNG goes; made if it is missing.

    Returns:
        The file written.

    Raises:
        SettingsError: matplotlib is not installed.
        OSError: the folder can't be written to.
    """
    figure = new_figure(13, 5)
    from matplotlib.ticker import PercentFormatter  # there, or there would be no figure

    for axes, (measure, label) in zip(figure.subplots(1, 3), MEASURES.items(), strict=True):
        _draw_lines(axes, points, measure)
        axes.set(xlabel="FLOPs saved on the video", ylabel=label)
        # As many decimals as tell ticks apart.
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        if measure != "own_f1":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
            axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=7, frameon=False, fontsize=9)
    return save_figure(figure, folder / FRONTIER)


def _draw_lines(axes: Axes, points: Sequence[FrontierPoint], measure: str) -> None:
    policies = list(dict.fromkeys(point.policy for point in points))
    for number, policy in enumerate(policies):
        # Nothing is saved by full recomputation, which would squeeze all others together.
        if policy == REFERENCE:
            if measure == "own_f1":
                level = next(p.own_f1 for p in points if p.policy == policy)
                axes.axhline(level, color="0.5", linestyle=":", label=policy)
            continue
        own = [point for point in points if point.policy == policy]
        default = policy == DEFAULT
        axes.plot(
            [point.video_flops_saved for point in own],
            [getattr(point, measure) for point in own],
            marker=MARKS[number % len(MARKS)],
            color=STRONG if default else COLOURS[number % len(COLOURS)],
            linewidth=2.2 if default else 1.2,
            markersize=6 if default else 4.5,
            zorder=3 if default else 2,
            label=policy,
        )
