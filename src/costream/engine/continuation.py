"""Answers while they are written: the window is gathered once, not for each token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from costream.engine.attention import KeyView
from costream.engine.kv_pool import KVPool
from costream.engine.plan import SHARED, Keys


class Continuation:
    """The attention of answers: each sees the window, its question and what is written of it.

    It holds keys and values of the whole window in all layers, for each answer, for as long as it
    lives.

    Args:
        pool: where these are.
        view: the keys of the window and its questions.
        keys: the same, with the branch of each.
        branches: the questions that are answered.
        limit: most tokens of an answer.
    """

    def __init__(
        self, pool: KVPool, view: KeyView, keys: Keys, branches: Sequence[int], limit: int
    ) -> None:
        owners = np.concatenate([np.full(len(keys) - len(keys.branches), SHARED), keys.branches])
        seen = {
            b: torch.from_numpy(((owners == SHARED) | (owners == b)).nonzero()[0]).to(
                view.rows.device
            )
            for b in branches
        }
        self._layers = [
            _with_room(*pool.gather(layer, view.rows, view.rotation), seen, limit)
            for layer in range(pool.shape.layers)
        ]
        self._used = {b: len(places) for b, places in seen.items()}
        self._turn: list[int] = []

    def turn_to(self, branches: Sequence[int]) -> None:
        """Says whose tokens the next pass holds, in order."""
        self._turn = list(branches)
        for branch in branches:
            self._used[branch] += 1

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Appends one token to each answer, returns what it gathers."""
        return torch.cat(
            [
                self._append(layer, branch, queries[:, n], keys[:, n], values[:, n], scale)
                for n, branch in enumerate(self._turn)
            ]
        )

    def _append(
        self, layer: int, branch: int, query: Tensor, key: Tensor, value: Tensor, scale: float
    ) -> Tensor:
        end, (keys, values) = self._used[branch], self._layers[layer][branch]
        keys[:, end - 1], values[:, end - 1] = key, value
        mixed = scaled_dot_product_attention(
            query[None, :, None],
            keys[None, :, :end],
            values[None, :, :end],
            scale=scale,
            enable_gqa=True,
        )
        return mixed[0].transpose(0, 1)


def _with_room(
    keys: Tensor, values: Tensor, seen: Mapping[int, Tensor], limit: int
) -> dict[int, tuple[Tensor, Tensor]]:
    """Returns what each answer sees, with room for its own tokens behind it."""
    found = {}
    for branch, places in seen.items():
        parts = [part.index_select(1, places) for part in (keys, values)]
        room = keys.new_empty(keys.shape[0], limit, keys.shape[2])
        found[branch] = torch.cat([parts[0], room], 1), torch.cat([parts[1], room], 1)
    return found
