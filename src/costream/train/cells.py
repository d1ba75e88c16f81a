"""Dense targets of the vision encoder: what is to be seen in each merge group, and how it moves."""

from __future__ import annotations

from typing import get_args

import numpy as np
import numpy.typing as npt

from costream.synth import Box, Truth
from costream.synth.truth import Action, Label

SEEN = (*get_args(Label), *filter(None, get_args(Action)))
"""What a merge group may show: labels of boxes, and actions."""

EVENTS = ("fighting", "fall", "panic", "intrusion", "wrong_way", "fire")
"""Events that two frames can show, marked where those who take part in them are."""

CHANNELS = len(SEEN) + len(EVENTS)
COVER = 0.2
"""Share of a group that a box covers, or of the box that lies in the group, from which it shows."""

FASTEST = 60.0
"""Pixels a second, of a picture 448 pixels wide, that count as a speed of 1."""


def label_cells(
    truth: Truth, size: tuple[int, int], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Labels the merge groups of one frame.

    Args:
        truth: what is in the picture, the farthest first.
        size: (width, height) of the picture the boxes are in.
        shape: rows and columns of merge groups.

    Returns:
        float32 [channels, rows, cols], 0 or 1, and the speeds of what moves, float32
        [2, rows, cols], rightwards and downwards; NaN where nothing that could move is seen.
    """
    marks = np.zeros((CHANNELS, *shape), np.float32)
    speeds = np.full((2, *shape), np.nan, np.float32)
    doers = {event.actor: event.kind for event in truth.events if event.kind in EVENTS}
    for box in truth.boxes:
        touched = _touched(box, size, shape)
        for name in (box.label, box.action):
            if name in SEEN:
                marks[SEEN.index(name)][touched] = 1
        if box.actor in doers:
            marks[len(SEEN) + EVENTS.index(doers[box.actor])][touched] = 1
        if box.label in ("person", "vehicle"):
            scale = 448 / size[0] / FASTEST
            for axis, speed in enumerate(box.velocity):
                speeds[axis][touched] = np.clip(speed * scale, -3, 3)
    return marks, speeds


def _touched(box: Box, size: tuple[int, int], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    across = _overlap(box.left, box.right, size[0], shape[1])
    down = _overlap(box.top, box.bottom, size[1], shape[0])
    shared = down[:, None] * across[None]
    group = (size[0] / shape[1]) * (size[1] / shape[0])
    area = max(1, (box.right - box.left) * (box.bottom - box.top))
    touched: npt.NDArray[np.bool_] = shared > COVER * min(group, area)
    return touched


def _overlap(low: float, high: float, length: int, parts: int) -> npt.NDArray[np.float64]:
    edges = np.linspace(0, length, parts + 1)
    shared: npt.NDArray[np.float64] = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
    return shared.clip(0)
