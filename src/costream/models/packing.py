"""Sequences of different lengths behind each other, in one tensor: no padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

Attended = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Takes one sequence's keys and values, [1, heads, tokens, head_dim], and returns all that it
attends to."""


def packed_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    heads: int,
    lengths: Sequence[int],
    attended: Attended,
) -> Tensor:
    """Returns the attention of sequences that don't see each other: [tokens, heads * head_dim].

    Args:
        queries: [tokens, heads * head_dim], the sequences one behind the other.
        keys: same shape.
        values: same shape.
        heads: number of heads.
        lengths: tokens of each sequence.
        attended: returns what each sequence in turn attends to, from its own keys and values.
    """
    parts = [
        torch.split(_heads_first(rows, heads), list(lengths), dim=2)
        for rows in (queries, keys, values)
    ]
    mixed = [
        scaled_dot_product_attention(asking, *attended(keys, values))
        for asking, keys, values in zip(*parts, strict=True)
    ]
    return torch.cat(mixed, dim=2)[0].transpose(0, 1).flatten(1)


def _heads_first(rows: Tensor, heads: int) -> Tensor:
    """[tokens, heads * head_dim] to [1, heads, tokens, head_dim]."""
    return rows.view(1, len(rows), heads, -1).transpose(1, 2)
