"""Attention over the pool, as the layers of a model call it: fresh keys go into their rows first.

Rows are in the order of logical slots, carried-over keys rotated to where they stand. Causality is
a comparison of places in that order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from costream.engine.attention.kernel import AttentionKernel, KeyView
from costream.engine.kv_pool import KVPool
from costream.engine.upload import Uploaded


class PagedAttention:
    """The attention of one pass over several streams: :class:`~costream.models.Attention`.

    Args:
        pool: where keys and values go and come from.
        rows: int64 [tokens], the row of each token of the pass.
        kernel: computes what the tokens gather.
        last: the same in the last layer, of those that are read; None where none is.
    """

    def __init__(
        self,
        pool: KVPool,
        rows: Uploaded,
        kernel: AttentionKernel,
        last: AttentionKernel | None,
    ) -> None:
        self._pool = pool
        self._rows = rows
        self._kernel = kernel
        self._last = last

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Stores the layer's keys and values, returns what the tokens gather."""
        self._pool.write(layer, self._rows.tensor, keys, values)
        if layer < self._pool.shape.layers - 1:
            return self._kernel.run(layer, queries, scale)
        if self._last is None:
            return queries.new_empty(0, queries.shape[0], queries.shape[2])
        return self._last.run(layer, queries, scale)


class KeyProbe:
    """The attention of a pass that writes nothing and compares the keys of one layer.

    Args:
        pool: where keys and values are.
        layer: the layer whose keys are compared. None behind it is run.
        view: the stored keys of the pass's tokens.
        kernel: computes what the tokens gather.

    Attributes:
        deviations: [tokens], squared distance of each fresh key from the one in the pool, once the
            pass was run.
    """

    def __init__(self, pool: KVPool, layer: int, view: KeyView, kernel: AttentionKernel) -> None:
        self._pool = pool
        self._layer = layer
        self._view = view
        self._kernel = kernel
        self.deviations = torch.empty(0)

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Attends to what is stored; compares at the layer."""
        if layer < self._layer:
            return self._kernel.run(layer, queries, scale)
        stored, _ = self._pool.gather(layer, self._view.rows, self._view.rotation)
        self.deviations = (keys - stored).float().square().sum(dim=(0, 2))
        return queries.new_zeros(queries.shape[1], queries.shape[0], queries.shape[2])
