"""Answers while they are written: the window is gathered once, not for each token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from costream.engine.attention import KeyView
from costream.engine.kv_pool import KVPool
from costream.engine.plan import SHARED, Keys


class Continuation:
    """The attention of answers: each sees the window, its question and what is written of it.

    It holds keys and values of the whole window in all layers, for as long as it lives.

    Args:
        pool: where these are.
        view: the keys of the window and its questions.
        keys: the same, with the branch of each.
        branches: the questions that are answered.
    """

    def __init__(self, pool: KVPool, view: KeyView, keys: Keys, branches: Sequence[int]) -> None:
        gathered = [
            pool.gather(layer, view.rows, view.rotation) for layer in range(pool.shape.layers)
        ]
        owners = np.concatenate([np.full(len(keys) - len(keys.branches), SHARED), keys.branches])
        seen = {b: torch.from_numpy((owners == SHARED) | (owners == b)) for b in branches}
        self._layers = [
            {b: (k[:, places], v[:, places]) for b, places in seen.items()} for k, v in gathered
        ]
        self._turn: list[int] = list(branches)

    def turn_to(self, branches: Sequence[int]) -> None:
        """Says whose tokens the next pass holds, in order."""
        self._turn = list(branches)

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Appends one token to each answer, returns what it gathers."""
        mixed = []
        for row, branch in enumerate(self._turn):
            here = slice(row, row + 1)
            held = self._layers[layer][branch]
            seen = (
                torch.cat([held[0], keys[:, here]], 1),
                torch.cat([held[1], values[:, here]], 1),
            )
            self._layers[layer][branch] = seen
            mixed.append(
                scaled_dot_product_attention(
                    queries[None, :, here],
                    seen[0][None],
                    seen[1][None],
                    scale=scale,
                    enable_gqa=True,
                )[0].transpose(0, 1)
            )
        return torch.cat(mixed)
