"""``scaled_dot_product_attention``, stream by stream and block by block.

A window is gathered into scratch that layers and streams share. A block's mask is built when it is
first wanted, and kept for further layers while there is room for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from costream.engine.attention.kernel import AttentionKernel, StreamTokens, tokens_of
from costream.engine.kv_pool import KVPool
from costream.engine.plan import SHARED

BLOCK = 256
"""Most queries that share a call: none of them sees keys behind the last one's."""

MASK_BYTES = 64 << 20
"""Masks of a pass that are kept; those beyond are built again in each layer, one at a time."""

_ALIGNED = 16
"""Numbers to which a mask's rows are padded: a fused kernel on CUDA copies one that is not."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive tokens of one stream.

    Attributes:
        begin: the first of them, in the stream's own order.
        end: the one behind the last.
        keys: how many keys, from the first on, any of them sees.
        masked: whether any of them doesn't see one of those.
    """

    begin: int
    end: int
    keys: int
    masked: bool


class SdpaKernel(AttentionKernel):
    """See :class:`~costream.engine.attention.backends.SdpaBackend`.

    Args:
        pool: where keys and values are.
        streams: what the tokens of each stream look at.

    Attributes:
        mask_bytes: memory of the masks that are kept.
    """

    def __init__(self, pool: KVPool, streams: Sequence[StreamTokens]) -> None:
        self._pool = pool
        self._streams = [(stream, tuple(_blocks(stream))) for stream in streams]
        self._tokens = tokens_of(streams)
        self._masks: dict[tuple[int, int], Tensor] = {}
        self.mask_bytes = 0

    def run(self, layer: int, queries: Tensor, scale: float) -> Tensor:
        """See :meth:`AttentionKernel.run`."""
        mixed = queries.new_empty(self._tokens, queries.shape[0], queries.shape[2])
        for stream, blocks in self._streams:
            view = stream.keys.view
            keys, values = self._pool.gather(layer, view.rows, view.rotation)
            for block in blocks:
                begin, end = stream.begin + block.begin, stream.begin + block.end
                mixed[begin:end] = grouped_attention(
                    queries[:, begin:end],
                    keys[:, : block.keys],
                    values[:, : block.keys],
                    self._mask(stream, block),
                    scale,
                ).transpose(0, 1)
        return mixed

    def _mask(self, stream: StreamTokens, block: Block) -> Tensor | None:
        """Returns what is added to a block's scores, [tokens, keys]; None where all see all."""
        if not block.masked:
            return None
        at = (stream.begin, block.begin)
        if at in self._masks:
            return self._masks[at]
        mask = _mask_of(stream, block, self._pool.shape.dtype)
        size = mask.untyped_storage().nbytes()
        if self.mask_bytes + size <= MASK_BYTES:
            self._masks[at] = mask
            self.mask_bytes += size
        return mask


def grouped_attention(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """Returns what queries gather, several heads of which share keys: [heads, queries, head_dim].

    Args:
        queries: [heads, queries, head_dim].
        keys: [kv_heads, keys, head_dim].
        values: same shape.
        mask: [queries, keys], what is added to scores; None where all see all.
        scale: of the scores.
    """
    # Not with enable_gqa: on CUDA the fused kernel that takes a mask takes no grouped heads, and
    # torch would silently fall back to one that writes out all scores and repeats keys for it
    # (pytorch/pytorch#139586, huggingface/transformers#39412). Views of another shape do the same:
    heads, tokens, width = queries.shape
    group = heads // len(keys)
    grouped = queries.reshape(len(keys), group, tokens, width)
    if mask is None:
        # Heads of a group are more queries of one head, and keys are read once.
        mixed = scaled_dot_product_attention(
            grouped.flatten(1, 2)[None], keys[None], values[None], scale=scale
        )
        return mixed.view(heads, tokens, width)
    # Heads of keys are a batch, and each is seen by all heads of its group without a copy.
    keys, values = (part[:, None].expand(-1, group, -1, -1) for part in (keys, values))
    mixed = scaled_dot_product_attention(grouped, keys, values, mask, scale=scale)
    return mixed.flatten(0, 1)


def _blocks(stream: StreamTokens) -> Iterator[Block]:
    for begin in range(0, len(stream), BLOCK):
        end = min(begin + BLOCK, len(stream))
        alone = end == begin + 1 and bool(stream.branches[begin] == SHARED) and stream.zones is None
        yield Block(begin, end, int(stream.places[end - 1]) + 1, not alone)


def _mask_of(stream: StreamTokens, block: Block, dtype: torch.dtype) -> Tensor:
    return additive(stream.visible(block.begin, block.end, block.keys), dtype)


def additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns what is added to scores, so that tokens see what is visible: [tokens, keys]."""
    tokens, keys = visible.shape
    padded = -(-keys // _ALIGNED) * _ALIGNED
    mask = visible.new_zeros(tokens, padded, dtype=dtype)[:, :keys]
    return mask.masked_fill_(~visible, -torch.inf)
