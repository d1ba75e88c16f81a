"""A window's keys and values, taken out of the pool for a text that is written behind it."""

from __future__ import annotations

import torch
from torch import Tensor

from costream.engine.attention.kernel import KeyView, Rotate
from costream.engine.attention.sdpa import additive, grouped_attention
from costream.engine.kv_pool import KVPool
from costream.engine.plan import Keys
from costream.engine.upload import Upload

_ROOM = 256
"""Tokens by which a copy grows."""


class WindowCopy:
    """The attention of one text: its tokens see a window, and those of the text before them.

    It refers to no row of the pool: the window may move on. It holds keys and values of the whole
    window in all layers for as long as it lives.

    Args:
        pool: where the window is.
        keys: the window.
        rotate: moves keys.
    """

    def __init__(self, pool: KVPool, keys: Keys, rotate: Rotate) -> None:
        upload = Upload(pool.shape.device)
        view = KeyView(keys, rotate, upload)
        upload.move()
        self._end = len(keys)
        self._layers = [
            torch.stack(pool.gather(layer, view.rows, view.rotation))
            for layer in range(pool.shape.layers)
        ]

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return sum(stored.nbytes for stored in self._layers)

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Appends tokens and returns what they gather; where one alone is read, the last does."""
        end, tokens = self._end, keys.shape[1]
        stored = self._with_room(layer, end + tokens)
        stored[0][:, end : end + tokens], stored[1][:, end : end + tokens] = keys, values
        if layer == len(self._layers) - 1:
            self._end += tokens
        seen = stored[:, :, : end + tokens]  # [2, kv_heads, keys, head_dim]
        mask = None if queries.shape[1] == 1 else self._causal(end, tokens, keys)
        return grouped_attention(queries, seen[0], seen[1], mask, scale).transpose(0, 1)

    def _causal(self, end: int, tokens: int, like: Tensor) -> Tensor:
        """What is added to scores: [tokens, keys]."""
        visible = torch.ones(tokens, end + tokens, dtype=torch.bool, device=like.device).tril(end)
        return additive(visible, like.dtype)

    def _with_room(self, layer: int, keys: int) -> Tensor:
        """Returns a layer's keys and values, with room for so many."""
        stored = self._layers[layer]
        if stored.shape[2] < keys:
            kind, heads, there, width = stored.shape
            grown = stored.new_empty(kind, heads, keys + _ROOM, width)
            grown[:, :, :there] = stored
            self._layers[layer] = stored = grown
        return stored
