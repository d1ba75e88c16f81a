"""Plots of an evaluation, with matplotlib (the extra ``plots``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from costream.lab.evaluate.accuracy import AccuracyRow
from costream.lab.evaluate.figures import new_figure, save_figure
from costream.lab.evaluate.policies import DEFAULT, REFERENCE
from costream.lab.evaluate.sensitivity import AXES, SensitivityPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRADE, KINDS, SENSITIVITY = "accuracy.png", "kinds.png", "sensitivity.png"
STRONG, PALE, PLAIN = "tab:red", "0.55", "tab:blue"


def plot_accuracy(rows: Sequence[AccuracyRow], folder: Path) -> list[Path]:
    """Draws F1 against what is saved, and F1 by category.

    Args:
        rows: what was measured, full recomputation among them.
        folder: where the PNGs go; made if it is missing.

    Returns:
        The files written.

    Raises:
        SettingsError: matplotlib is not installed.
        OSError: the folder can't be written to.
    """
    trade = new_figure(10, 0.42 * len(rows) + 1.6)
    shared = trade.subplots(1, 4, sharey=True)
    _draw_bars(shared, rows)
    kinds = new_figure(9, 4)
    _draw_kinds(kinds.add_subplot(), rows)
    return [save_figure(trade, folder / TRADE), save_figure(kinds, folder / KINDS)]


def plot_sensitivity(points: Sequence[SensitivityPoint], folder: Path) -> Path:
    """Draws F1, flips and savings over each setting that was varied.

    Raises:
        SettingsError: matplotlib is not installed.
        OSError: the folder can't be written to.
    """
    figure = new_figure(3.0 * len(AXES), 7)
    limits = {"f1": 1.05, "flips": 1.1 * max(0.05, *(p.flips for p in points)), "flops_saved": 1.05}
    columns = figure.subplots(3, len(AXES), sharex="col", sharey="row", squeeze=False)
    for number, (axis, meaning) in enumerate(AXES.items()):
        own = [point for point in points if point.axis == axis]
        for row, (measure, top) in enumerate(limits.items()):
            _draw_curves(columns[row][number], own, measure)
            columns[row][number].set_ylim(0, top)
        columns[2][number].set_xlabel(_wrapped(meaning))
    for row, label in enumerate(("F1", "answers flipped", "FLOPs saved")):
        columns[row][0].set_ylabel(label)
    columns[0][0].legend(fontsize=8)
    return save_figure(figure, folder / SENSITIVITY)


def _draw_bars(axes: Sequence[Axes], rows: Sequence[AccuracyRow]) -> None:
    names = [row.policy for row in rows]
    colours = [STRONG if row.default else PALE for row in rows]
    measures = {
        "video F1": ([row.f1 for row in rows], "{:.3f}"),
        "answers flipped": ([row.flips for row in rows], "{:.1%}"),
        "visual tokens saved": ([row.tokens_saved for row in rows], "{:.0%}"),
        "FLOPs saved": ([row.flops_saved for row in rows], "{:.0%}"),
    }
    for area, (title, (values, form)) in zip(axes, measures.items(), strict=True):
        bars = area.barh(names, values, color=colours)
        area.bar_label(bars, [form.format(value) for value in values], padding=2, fontsize=8)
        area.set_title(title, fontsize=10)
        area.set_xlim(0, 1.3 * max(*values, 0.01))
        area.set_xticks([])
        area.spines[["top", "right", "bottom"]].set_visible(False)
    axes[0].invert_yaxis()


def _draw_kinds(axes: Axes, rows: Sequence[AccuracyRow]) -> None:
    chosen = [row for row in rows if row.policy in (REFERENCE, DEFAULT)]
    for number, row in enumerate(chosen):
        places = [place + 0.4 * number - 0.2 for place in range(len(row.kinds))]
        colour = STRONG if row.default else PALE
        axes.bar(places, list(row.kinds.values()), 0.38, label=row.policy, color=colour)
    axes.set_xticks(range(len(chosen[0].kinds)), list(chosen[0].kinds), rotation=30, ha="right")
    axes.set(ylabel="video F1", ylim=(0, 1.05))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)


def _draw_curves(axes: Axes, points: Sequence[SensitivityPoint], measure: str) -> None:
    for policy, colour, width in ((REFERENCE, PALE, 5), (DEFAULT, STRONG, 1.5)):
        own = [point for point in points if point.policy == policy]
        if policy == REFERENCE and measure != "f1":
            continue
        values = [getattr(point, measure) for point in own]
        axes.plot(
            [point.value for point in own],
            values,
            "o-",
            color=colour,
            linewidth=width,
            label=policy,
        )
    for place in {point.value for point in points if point.base}:
        axes.axvline(place, color=PLAIN, linestyle=":", linewidth=1)
    axes.grid(alpha=0.3)


def _wrapped(text: str) -> str:
    words, half = text.split(" "), len(text.split(" ")) // 2
    return text if len(text) < 25 else " ".join(words[:half]) + "\n" + " ".join(words[half:])
