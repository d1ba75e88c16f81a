"""Attention over the pool: each stream's tokens look at what its window refers to.

Keys and values that a layer computes go into their rows. Then, stream by stream, the window is
gathered into scratch memory that all layers and streams share: rows in the order of logical slots,
carried-over keys rotated to where they stand. Causality is a comparison of places in that order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from costream.engine.kv_pool import KVPool
from costream.engine.page_table import Ints
from costream.engine.plan import SHARED, Keys
from costream.models import Rotation

Rotate = Callable[[Tensor], Rotation]
"""Returns what moves keys by distances: ``ModelAdapter.rotation``."""

BLOCK = 256
"""Most queries that share a call of the kernel: none of them sees keys behind the last one's."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive queries of one stream.

    Attributes:
        begin: the first of them among the tokens of the pass.
        end: the one behind the last.
        keys: how many keys, from the first on, any of them sees.
        mask: [queries, keys], what is added to scores; None where all see all.
    """

    begin: int
    end: int
    keys: int
    mask: Tensor | None


@dataclass(frozen=True, slots=True)
class KeyView:
    """The keys of one stream, on the device.

    Attributes:
        rows: int64 [keys], rows of the pool.
        rotation: moves them to where they stand; None where they were all computed there.
    """

    rows: Tensor
    rotation: Rotation | None

    def up_to(self, end: int) -> KeyView:
        """Returns the keys before a place."""
        turn = self.rotation
        part = None if turn is None else Rotation(turn.cos[:end], turn.sin[:end])
        return KeyView(self.rows[:end], part)


@dataclass(frozen=True, slots=True)
class StreamQueries:
    """What the tokens of one stream look at in a pass.

    Attributes:
        view: the keys that any of them sees.
        blocks: its tokens, in order.
        read: in the last layer, its tokens that are read, in order.
    """

    view: KeyView
    blocks: tuple[Block, ...]
    read: tuple[Block, ...]


class PagedAttention:
    """The attention of one pass over several streams: :class:`~costream.models.Attention`.

    Args:
        pool: where keys and values go and come from.
        rows: int64 [tokens], the row of each token of the pass, on the pool's device.
        streams: what each stream's tokens look at.
    """

    def __init__(self, pool: KVPool, rows: Tensor, streams: Sequence[StreamQueries]) -> None:
        self._pool = pool
        self._rows = rows
        self._streams = streams

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Stores the layer's keys and values, returns what the tokens gather."""
        self._pool.write(layer, self._rows, keys, values)
        last = layer == self._pool.shape.layers - 1
        mixed = queries.new_empty(queries.shape[1], queries.shape[0], queries.shape[2])
        for stream in self._streams:
            blocks = stream.read if last else stream.blocks
            if not blocks:
                continue
            seen = self._pool.gather(layer, stream.view.rows, stream.view.rotation)
            for block in blocks:
                mixed[block.begin : block.end] = attend_block(queries, *seen, block, scale)
        return mixed


class KeyProbe:
    """The attention of a pass that writes nothing and compares the keys of one layer.

    Args:
        pool: where keys and values are.
        layer: the layer whose keys are compared.
        places: for each stream the places of its tokens among its keys, int64 [tokens].
        streams: what each stream's tokens look at.

    Attributes:
        deviations: [tokens], squared distance of each fresh key from the one in the pool, once the
            pass was run.
    """

    def __init__(
        self,
        pool: KVPool,
        layer: int,
        places: Sequence[Tensor],
        streams: Sequence[StreamQueries],
    ) -> None:
        self._pool = pool
        self._layer = layer
        self._places = places
        self._streams = streams
        self.deviations = torch.empty(0)

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Attends to what is stored; compares at the layer."""
        mixed = queries.new_zeros(queries.shape[1], queries.shape[0], queries.shape[2])
        stored = []
        for stream, places in zip(self._streams, self._places, strict=True):
            seen = self._pool.gather(layer, stream.view.rows, stream.view.rotation)
            stored.append(seen[0].index_select(1, places))
            if layer < self._layer:
                for block in stream.blocks:
                    mixed[block.begin : block.end] = attend_block(queries, *seen, block, scale)
        if layer == self._layer:
            gaps = (keys - torch.cat(stored, dim=1)).float()
            self.deviations = gaps.square().sum(dim=(0, 2))
        return mixed


def attend_block(
    queries: Tensor, keys: Tensor, values: Tensor, block: Block, scale: float
) -> Tensor:
    """Returns what the queries of a block gather: [queries, heads, head_dim].

    Args:
        queries: [heads, tokens, head_dim], of the whole pass.
        keys: [kv_heads, keys, head_dim], of the block's stream.
        values: same shape.
        block: the block.
        scale: of the scores.
    """
    mixed = scaled_dot_product_attention(
        queries[None, :, block.begin : block.end],
        keys[None, :, : block.keys],
        values[None, :, : block.keys],
        block.mask,
        scale=scale,
        enable_gqa=True,
    )
    return mixed[0].transpose(0, 1)


def view_of(keys: Keys, rotate: Rotate, device: torch.device) -> KeyView:
    """Brings a plan's keys to the device."""
    rows, distances = (torch.from_numpy(a).to(device) for a in (keys.rows, keys.distances))
    return KeyView(rows, rotate(distances) if keys.distances.any() else None)


def blocks_of(
    begin: int, places: Ints, branches: Ints, keys: Keys, dtype: torch.dtype, device: torch.device
) -> tuple[Block, ...]:
    """Cuts the queries of one stream into blocks.

    Args:
        begin: the first of them among the tokens of the pass.
        places: int64 [queries], the place of each among the stream's keys; they grow.
        branches: int64 [queries], the question of each, or SHARED.
        keys: the stream's keys.
        dtype: of masks.
        device: of masks.
    """
    return tuple(
        _block(begin + at, places[at : at + BLOCK], branches[at : at + BLOCK], keys, dtype, device)
        for at in range(0, len(places), BLOCK)
    )


def _block(
    begin: int, places: Ints, branches: Ints, keys: Keys, dtype: torch.dtype, device: torch.device
) -> Block:
    seen, scratch = int(places[-1]) + 1, len(keys) - len(keys.branches)
    end = begin + len(places)
    if len(places) == 1 and branches[0] == SHARED:
        return Block(begin, end, seen, None)
    # Once for all layers: two short vectors are uploaded, and the mask is made on the device.
    asking, owner = (torch.from_numpy(array).to(device)[:, None] for array in (places, branches))
    order = torch.arange(seen, device=device)[None]
    visible = order <= asking
    if seen > scratch:
        owners = torch.from_numpy(keys.branches[: seen - scratch]).to(device)[None]
        visible[:, scratch:] &= (owners == SHARED) | (owners == owner)
    mask = torch.zeros(visible.shape, dtype=dtype, device=device).masked_fill_(~visible, -torch.inf)
    return Block(begin, end, seen, mask)
