"""The code that vision encoder and language model agree on: what a token says of its merge group.

A token is a base plus a sum of directions, one for everything that a group may show, as much of
each as the group shows it. The directions are orthonormal and follow from a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from costream.lab.synth import Box, Truth
from costream.lab.synth.truth import Action, Label

SEEN = (*get_args(Label), *filter(None, get_args(Action)))
"""What a merge group may show: labels of boxes, and actions."""

EVENTS = (
    "fighting", "fall", "panic", "abandoned", "stealing", "intrusion", "wrong_way", "fire",
)  # fmt: skip
"""Events that two frames can show, marked where those who take part in them are."""

MARKS = len(SEEN) + len(EVENTS)
"""Values of a group that are 0 or 1; behind them its speed, rightwards and downwards."""

VALUES = MARKS + 2
COVER = 0.2
"""Share of a group that a box covers, or of the box that lies in the group, from which it shows."""

FASTEST = 60.0
"""Pixels a second, of a picture 448 pixels wide, that count as a speed of 1."""

SPEED = 2.0
"""Weight of the speeds beside the marks. From one frame they are told by looks alone."""

STEEPNESS = 8.0
"""What makes a logit of a mark's distance to one half: a mark read as p is then about p."""

COMMON = 0.02
"""Share of a batch's groups that show something from which it is no longer rare."""


class Code:
    """Writes values into tokens and reads them again.

    Args:
        width: of a token.
        seed: of the directions.
    """

    def __init__(self, width: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        directions = torch.randn(width, VALUES + 1, generator=draw)
        basis = torch.linalg.qr(directions).Q
        self._base, self._directions = basis[:, 0], basis[:, 1:]

    def write(self, values: Tensor) -> Tensor:
        """Writes values [..., values] into tokens [..., width]."""
        tokens: Tensor = self._base + values @ self._directions.T
        return tokens

    def moved(self, tokens: Tensor, by: Tensor) -> Tensor:
        """Returns tokens [..., width] that say as much more of each value as ``by`` has."""
        moved: Tensor = tokens + by.to(tokens) @ self._directions.T.to(tokens)
        return moved

    def read(self, tokens: Tensor) -> Tensor:
        """Reads the values of tokens [..., width]: [..., values]."""
        values: Tensor = tokens @ self._directions.to(tokens)
        return values

    def loss(self, tokens: Tensor, values: Tensor) -> Tensor:
        """How far tokens [groups, width] are from saying values [groups, values].

        Marks are judged as chances are, the rare ones more severely; speeds, where they are not
        NaN, and all else that a token holds, by their squares.
        """
        values = values.to(tokens.device)
        read = self.read(tokens)
        speeds = values[:, MARKS:]
        seen = mark_loss(mark_logits(read), values[:, :MARKS])
        known = ~speeds.isnan()
        away = read[:, MARKS:] - torch.where(known, speeds, 0.0)
        rest = tokens - self.write(read).to(tokens)
        # Still groups have a speed of 0, but hold few surprises.
        moving = (away.square() * (known + 0.02)).mean()
        return seen + SPEED * moving + 0.05 * rest.square().mean()


def mark_logits(read: Tensor) -> Tensor:
    """Returns the logits of marks [..., marks] that are read as values [..., values]."""
    return STEEPNESS * (read[..., :MARKS] - 0.5)


def mark_loss(logits: Tensor, marks: Tensor) -> Tensor:
    """Judges logits [groups, marks] as chances are judged, those of rare marks more severely."""
    often = marks.mean(0).clamp_min(COMMON / 64)
    weights = 1 + (COMMON / often).sqrt().clamp_min(1) * marks
    return 4 * functional.binary_cross_entropy_with_logits(logits, marks, weights)


def label_patch(
    truths: Sequence[Truth], size: tuple[int, int], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Labels the merge groups of one temporal patch.

    Args:
        truths: what each of its frames shows.
        size: (width, height) of the picture the boxes are in.
        shape: rows and columns of merge groups.

    Returns:
        float32 [groups, values]: marks from all frames, speeds from the last, NaN
        where nothing that could move is seen.
    """
    frames = [_label(truth, size, shape) for truth in truths]
    values: npt.NDArray[np.float32] = np.stack(frames).max(axis=0)
    values[MARKS:] = frames[-1][MARKS:]
    return values.reshape(VALUES, -1).T


def _label(truth: Truth, size: tuple[int, int], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    values = np.zeros((VALUES, *shape), np.float32)
    values[MARKS:] = np.nan
    doers = {event.actor: event.kind for event in truth.events if event.kind in EVENTS}
    for box in truth.boxes:
        touched = _touched(box, size, shape)
        for name in (box.label, box.action):
            if name in SEEN:
                values[SEEN.index(name)][touched] = 1
        if box.actor in doers:
            values[len(SEEN) + EVENTS.index(doers[box.actor])][touched] = 1
        if box.label in ("person", "vehicle"):
            scale = 448 / size[0] / FASTEST
            for axis, speed in enumerate(box.velocity):
                values[MARKS + axis][touched] = np.clip(speed * scale, -3, 3)
    return values


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
