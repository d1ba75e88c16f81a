"""FLOPs from shapes: a multiplication and an addition are two operations.

Matrix products are counted, element-wise work is not, as ``torch.utils.flop_counter`` does;
attention is counted as computed: every query with every key, masked or not.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn


def linear_flops(module: nn.Module) -> int:
    """Returns the FLOPs that a module's matrices cost for each row that passes through them.

    Matrices of quantised weights count as what they stand for, whatever class holds them.
    """
    return sum(2 * _weights(part) for part in module.modules())


def _weights(part: nn.Module) -> int:
    if isinstance(part, nn.Conv2d | nn.Conv3d):
        return part.weight.numel()
    # Whether or not it is a torch Linear: packed weights have another shape than the matrix.
    sides = getattr(part, "in_features", None), getattr(part, "out_features", None)
    return sides[0] * sides[1] if isinstance(sides[0], int) and isinstance(sides[1], int) else 0


def attention_flops(queries: int, keys: int, heads: int, head_dim: int) -> int:
    """Returns the FLOPs of scores and weighted sum in one attention layer."""
    return 4 * queries * keys * heads * head_dim


def packed_attention_flops(
    lengths: Iterable[int], seen: Iterable[int], heads: int, head_dim: int
) -> int:
    """Returns the FLOPs of one attention layer over sequences that don't see each other.

    Args:
        lengths: queries of each sequence.
        seen: keys of each.
        heads: number of heads.
        head_dim: width of a head.
    """
    pairs = zip(lengths, seen, strict=True)
    return sum(attention_flops(queries, keys, heads, head_dim) for queries, keys in pairs)
