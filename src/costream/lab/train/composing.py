"""Windows that no camera has shown, put together from what the encoder said of others."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from costream.lab.train.code import MARKS, Code

APART = 2.0
"""How far apart a mark that is there and one that is not are in what a trained encoder writes: it
is taught chances, by logits, and goes beyond the 0 and 1 of the code."""

MOVING = 0.05
"""Speed from which on it counts which way a group moves."""


class TokenBank:
    """What an encoder said of merge groups, by what they show.

    A window that is written in the code is free of everything that an encoder does to it: what is
    absent lies at 0 there, and nothing is mistaken. One that is put together from an encoder's
    tokens has its scale and its mistakes, and costs no rendering and no encoding either. What is
    lost is that neighbours and frames that follow each other are mistaken together.

    Args:
        code: what tokens are to say.
    """

    def __init__(self, code: Code) -> None:
        self._code = code
        self._parts: dict[Hashable, tuple[Tensor, Tensor]] = {}
        self._values = self._tokens = torch.empty(0)
        self._alike: dict[int, npt.NDArray[np.intp]] = {}

    def put(self, name: Hashable, values: Tensor, tokens: Tensor) -> None:
        """Takes up what was said of a clip.

        Args:
            name: by which it is taken out again.
            values: what its groups show, [groups, values].
            tokens: what the encoder wrote of them, [groups, width].
        """
        self._parts[name] = values.nan_to_num(0.0), tokens
        self._alike = {}

    def drop(self, name: Hashable) -> None:
        """Takes a clip out."""
        del self._parts[name]
        self._alike = {}

    def compose(self, values: Tensor, draw: np.random.Generator) -> Tensor:
        """Draws for each group the token of one that shows the same, or almost.

        Args:
            values: what the groups show, [groups, values].
            draw: the source of chance.

        Returns:
            [groups, width]; moved along the code by what still differs.
        """
        if not self._alike:
            self._arrange()
        wanted = values.nan_to_num(0.0)
        keys = _keys(wanted)
        chosen = np.zeros(len(keys), np.intp)
        for key in np.unique(keys):
            places = np.flatnonzero(keys == key)
            chosen[places] = draw.choice(self._like(int(key)), len(places))
        lacking = wanted - self._values[chosen]
        lacking[:, :MARKS] *= APART
        return self._code.moved(self._tokens[chosen], lacking)

    def _arrange(self) -> None:
        self._values = torch.cat([values for values, _ in self._parts.values()])
        self._tokens = torch.cat([tokens for _, tokens in self._parts.values()])
        keys = _keys(self._values)
        order = np.argsort(keys, kind="stable")
        found, begins = np.unique(keys[order], return_index=True)
        self._alike = dict(zip(found.tolist(), np.split(order, begins[1:]), strict=True))

    def _like(self, key: int) -> npt.NDArray[np.intp]:
        """Returns the groups that show the same, or differ in as few marks as can be had."""
        if key not in self._alike:
            key = min(self._alike, key=lambda other: (key ^ other).bit_count())
        return self._alike[key]


def _keys(values: Tensor) -> npt.NDArray[np.int64]:
    """A number for the marks of each group, and for which way it moves: rightwards or leftwards."""
    across = values[:, MARKS : MARKS + 1]
    bits = torch.cat([values[:, :MARKS] > 0.5, across > MOVING, across < -MOVING], dim=1)
    keys: npt.NDArray[np.int64] = bits.numpy() @ (1 << np.arange(MARKS + 2))
    return keys
