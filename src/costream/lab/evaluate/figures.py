"""Figures drawn without a display, with matplotlib (the extra ``plots``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from costream.errors import SettingsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure of that size in inches.

    Raises:
        SettingsError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise SettingsError("plots need matplotlib: pip install 'costream[plots]'") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def check_plots() -> None:
    """Checks that plots can be drawn, before anything is measured for them.

    Raises:
        SettingsError: matplotlib is not installed.
    """
    new_figure(1, 1)


def save_figure(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG, in a folder that is made if it is missing.

    Raises:
        OSError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path
