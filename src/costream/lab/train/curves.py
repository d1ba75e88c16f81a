"""The curves of a run as a picture, with matplotlib (the extra ``plots``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from costream.errors import SettingsError


def plot_curves(points: Path, picture: Path) -> Path:
    """Draws the loss of every stage, and the share of questions answered right, by step.

    Args:
        points: the run's ``curves.jsonl``.
        picture: the PNG to write.

    Returns:
        The picture.

    Raises:
        SettingsError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise SettingsError("plots need matplotlib: pip install 'costream[plots]'") from None
    curves = _by_stage([json.loads(line) for line in points.read_text().splitlines()])
    figure = Figure(figsize=(4 * len(curves), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (stage, own) in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves.items(),
                                  strict=True):  # fmt: skip
        steps = [point["step"] for point in own]
        axes.plot(steps, [point["loss"] for point in own], label="loss")
        for answer in ("yes", "no"):
            if answer in own[0]:
                axes.plot(
                    steps, [point[answer] for point in own], label=f"{answer}, answered right"
                )
        axes.set(title=stage, xlabel="step", ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(picture, dpi=110)
    return picture


def _by_stage(points: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    stages: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        if "loss" in point:
            stages.setdefault(point["stage"], []).append(point)
    return stages
