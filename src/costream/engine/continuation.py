"""Answers while they are written: the window is gathered once, not for each token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from costream.engine.attention.kernel import KeyView, Rotate
from costream.engine.attention.sdpa import grouped_attention
from costream.engine.kv_pool import KVPool
from costream.engine.page_table import Ints
from costream.engine.plan import SHARED, Keys
from costream.engine.upload import Upload


class Continuation:
    """The attention of answers: each sees the window, its question and what is written of it.

    It holds keys and values of the whole window in all layers, for each answer, for as long as it
    lives.

    Args:
        pool: where these are.
        keys: the keys of the window and its questions.
        rotate: moves keys.
        branches: the questions that are answered.
        limit: most tokens of an answer.
        upload: takes along what is needed on the device. Once it was moved, :meth:`gather`.
    """

    def __init__(
        self,
        pool: KVPool,
        keys: Keys,
        rotate: Rotate,
        branches: Sequence[int],
        limit: int,
        upload: Upload,
    ) -> None:
        places = seen_by(keys, branches)
        self._pool = pool
        self._view = KeyView(keys, rotate, upload)
        self._limit = limit
        self._seen = {branch: upload.add(at) for branch, at in places.items()}
        self._layers: list[dict[int, tuple[Tensor, Tensor]]] = []
        self._used = {branch: len(at) for branch, at in places.items()}
        self._turn: list[int] = []

    def gather(self) -> None:
        """Collects the window from the pool."""
        rows, rotation = self._view.rows, self._view.rotation
        seen = {branch: places.tensor for branch, places in self._seen.items()}
        self._layers = [
            _with_room(*self._pool.gather(layer, rows, rotation), seen, self._limit)
            for layer in range(self._pool.shape.layers)
        ]

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
        mixed = grouped_attention(query[:, None], keys[:, :end], values[:, :end], None, scale)
        return mixed.transpose(0, 1)


def seen_by(keys: Keys, branches: Sequence[int]) -> dict[int, Ints]:
    """Returns, for each question, the places of the keys that its answer sees: int64 [keys]."""
    owners = np.concatenate([np.full(keys.shared, SHARED), keys.branches])
    seen = {b: (owners == SHARED) | (owners == b) for b in branches}
    if keys.audience is not None:
        for b in branches:
            seen[b] &= keys.audience & keys.audience[owners == b][0] != 0
    return {b: mask.nonzero()[0] for b, mask in seen.items()}


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
