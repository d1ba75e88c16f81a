"""FlexAttention over the windows of all streams of a pass together.

The keys of all streams are gathered behind each other, and a mask tells the streams apart. Which
tiles of it hold anything is found out on the host, once a pass and without writing out the mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.attention import flex_attention as flex
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import pad

from costream.engine.attention.kernel import AttentionKernel, StreamTokens, tokens_of
from costream.engine.kv_pool import KVPool
from costream.engine.page_table import Ints
from costream.engine.plan import SHARED
from costream.engine.upload import Upload, Uploaded
from costream.engine.view import EVERYBODY, WHOLE
from costream.models import Rotation

Bools = npt.NDArray[np.bool_]

TILE = 128
"""Queries and keys of a tile, torch's own choice."""


class FlexKernel(AttentionKernel):
    """See :class:`~costream.engine.attention.backends.FlexBackend`.

    Args:
        pool: where keys and values are.
        streams: what the tokens of each stream look at.
        upload: takes the tiles and the mask's columns to the device.
    """

    def __init__(self, pool: KVPool, streams: Sequence[StreamTokens], upload: Upload) -> None:
        self._pool = pool
        self._streams = streams
        self._tokens = tokens_of(streams)
        self._shape = padded(self._tokens), padded(sum(len(stream.keys) for stream in streams))
        self._asking = [upload.add(column) for column in _query_columns(streams, self._shape[0])]
        self._asked = [upload.add(column) for column in _key_columns(streams, self._shape[1])]
        partial, whole = tiles_of(streams)
        self._tiles = [upload.add(part) for part in (*_listed(partial), *_listed(whole))]

    def run(self, layer: int, queries: Tensor, scale: float) -> Tensor:
        """See :meth:`AttentionKernel.run`."""
        keys, values = self._pool.gather(layer, self._rows, self._rotation)
        filled = pad(queries, (0, 0, 0, self._shape[0] - self._tokens))
        attention = _fused() if queries.device.type == "cuda" else _unfused
        mixed = attention(
            filled[None],
            keys[None],
            values[None],
            block_mask=self.block_mask,
            scale=scale,
            enable_gqa=True,
        )
        found: Tensor = mixed[0, :, : self._tokens].transpose(0, 1)
        return found

    @cached_property
    def block_mask(self) -> BlockMask:
        """Who sees what, of all layers."""
        return BlockMask.from_kv_blocks(
            *self._tile_lists(),
            BLOCK_SIZE=TILE,
            mask_mod=_mask(self._asking, self._asked),
            seq_lengths=self._shape,
            compute_q_blocks=False,
        )

    def _tile_lists(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns number and places of the tiles that are masked in part, and of the whole ones."""
        rows, columns = (side // TILE for side in self._shape)
        some, at, whole, all_at = (part.tensor.to(torch.int32) for part in self._tiles)
        return (
            some.view(1, 1, rows),
            at.view(1, 1, rows, columns),
            whole.view(1, 1, rows),
            all_at.view(1, 1, rows, columns),
        )

    @cached_property
    def _rows(self) -> Tensor:
        """The rows of all keys; the padding, which nobody sees, repeats the first."""
        rows = torch.cat([stream.keys.view.rows for stream in self._streams])
        return torch.cat([rows, rows[:1].expand(self._shape[1] - len(rows))])

    @cached_property
    def _rotation(self) -> Rotation | None:
        turns = [stream.keys.view.rotation for stream in self._streams]
        if all(turn is None for turn in turns):
            return None
        like = next(turn for turn in turns if turn is not None)
        lengths = [len(stream.keys) for stream in self._streams]
        lengths.append(self._shape[1] - sum(lengths))
        parts = [
            _still(like, length) if turn is None else turn
            for turn, length in zip([*turns, None], lengths, strict=True)
        ]
        return Rotation(torch.cat([p.cos for p in parts]), torch.cat([p.sin for p in parts]))


def padded(length: int) -> int:
    """Returns a length in whole tiles, at least two: torch compiles a single one on its own."""
    return max(2, -(-length // TILE)) * TILE


def tiles_of(streams: Sequence[StreamTokens]) -> tuple[Bools, Bools]:
    """Returns which tiles of the mask may be visible in part, and which are visible as a whole.

    Args:
        streams: of the pass, in order.

    Returns:
        Two of bool [tiles of queries, tiles of keys], which have no tile in common. What a tile of
        neither holds nobody sees.
    """
    shape = tokens_of(streams), sum(len(stream.keys) for stream in streams)
    some, whole = (np.zeros([padded(side) // TILE for side in shape], np.bool_) for _ in range(2))
    first = 0
    for stream in streams:
        rows, lowest, highest, inside = _query_tiles(stream)
        columns, begins, ends, within = _key_tiles(stream, first)
        some[rows, columns] |= begins[None] <= highest[:, None]
        whole[rows, columns] |= (inside[:, None] & within[None]) & (ends[None] <= lowest[:, None])
        first += len(stream.keys)
    return some & ~whole, whole


def _query_tiles(stream: StreamTokens) -> tuple[slice, Any, Any, Bools]:
    """Tiles that hold a stream's tokens: their places, lowest and highest, and if all are its."""
    begin, end = stream.begin, stream.begin + len(stream)
    tiles = slice(begin // TILE, -(-end // TILE))
    edges = np.arange(tiles.start, tiles.stop) * TILE
    low, high = np.maximum(edges, begin) - begin, np.minimum(edges + TILE, end) - begin
    inside = (edges >= begin) & (edges + TILE <= end)
    if stream.zones is not None:
        inside &= np.maximum.reduceat(stream.zones, low) == WHOLE
    return tiles, stream.places[low], stream.places[high - 1], inside


def _key_tiles(stream: StreamTokens, first: int) -> tuple[slice, Any, Any, Bools]:
    """Tiles that hold a stream's keys: first and last key, and if all are its and no question's."""
    end = first + len(stream.keys)
    tiles = slice(first // TILE, -(-end // TILE))
    edges = np.arange(tiles.start, tiles.stop) * TILE
    low, high = np.maximum(edges, first) - first, np.minimum(edges + TILE, end) - first
    within = (edges >= first) & (edges + TILE <= end) & (high <= stream.keys.shared)
    return tiles, low, high - 1, within


def _listed(tiles: Bools) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns how many tiles are set in each row, and which, those before the others."""
    return tiles.sum(axis=1), np.argsort(~tiles, axis=1, kind="stable").reshape(-1)


def _query_columns(streams: Sequence[StreamTokens], length: int) -> list[npt.NDArray[np.int64]]:
    """Stream, place, question and zone of each query; the padding is of no stream."""
    numbers = [np.full(len(stream), n) for n, stream in enumerate(streams)]
    return [
        _filled(numbers, length, -2),
        _filled([stream.places for stream in streams], length, -1),
        _filled([stream.branches for stream in streams], length, SHARED),
        _filled([_or_all(stream.zones, len(stream)) for stream in streams], length, WHOLE),
    ]


def _key_columns(streams: Sequence[StreamTokens], length: int) -> list[npt.NDArray[np.int64]]:
    """Stream, place, question and audience of each key; the padding is of no stream."""
    numbers = [np.full(len(stream.keys), n) for n, stream in enumerate(streams)]
    return [
        _filled(numbers, length, -1),
        _filled([np.arange(len(stream.keys)) for stream in streams], length, 0),
        _filled([stream.keys.owners for stream in streams], length, SHARED),
        _filled([_or_all(s.keys.audience, len(s.keys)) for s in streams], length, EVERYBODY),
    ]


def _or_all(bits: Ints | None, length: int) -> Ints:
    """Returns bits, or all of them where there are no zones."""
    return np.full(length, EVERYBODY) if bits is None else bits


def _filled(
    parts: Sequence[npt.NDArray[np.int64]], length: int, value: int
) -> npt.NDArray[np.int64]:
    joined = np.concatenate(parts)
    return np.concatenate([joined, np.full(length - len(joined), value)])


def _mask(asking: Sequence[Uploaded], asked: Sequence[Uploaded]) -> Callable[..., Tensor]:
    """Returns what FlexAttention asks for a pair of a query and a key."""
    asking_stream, place, branch, zone = (column.tensor for column in asking)
    stream, order, owner, audience = (column.tensor for column in asked)

    def visible(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        mine = (owner[key] == SHARED) | (owner[key] == branch[query])
        earlier = order[key] <= place[query]
        told = (audience[key] & zone[query]) != 0
        return (stream[key] == asking_stream[query]) & earlier & mine & told

    return visible


def _still(like: Rotation, length: int) -> Rotation:
    """Returns the rotation of keys that stay where they are."""
    shape = (length, *like.cos.shape[1:])
    return Rotation(like.cos.new_ones(shape), like.sin.new_zeros(shape))


@cache
def _fused() -> Callable[..., Any]:
    """Returns FlexAttention, compiled once for all lengths. That needs a GPU."""
    return torch.compile(flex_attention, dynamic=True, fullgraph=True)


def _unfused(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Any:
    """FlexAttention in plain operations, which write all scores out: for a CPU."""
    # Torch would trace these operations first, for seconds, and trace them again for other models.
    before = flex._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG
    flex._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = True
    try:
        return flex_attention(query, key, value, **options)
    finally:
        flex._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = before
