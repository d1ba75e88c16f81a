"""Attention as plain products of matrices, for training on a CPU.

PyTorch's fused attention is made for inference on one: learning from sequences as short as a
picture's takes it twice to three times as long as the products themselves in bfloat16. A longer
sequence is taken in chunks of queries, and a chunk meets no key behind the last one that it sees.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from costream.lab.train.instead import Instead

CHUNK = 256
"""Queries of a masked sequence that are taken together."""


def matmul_attention() -> Instead:
    """Returns within what ``scaled_dot_product_attention`` is :func:`attend` on a CPU."""
    return Instead(functional.scaled_dot_product_attention, _attend_on_cpu)


def _attend_on_cpu(query: Tensor, *rest: Any, **options: Any) -> Tensor:
    if query.device.type == "cpu":
        return attend(query, *rest, **options)
    return functional.scaled_dot_product_attention(query, *rest, **options)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attends as ``torch.nn.functional.scaled_dot_product_attention`` does, without dropout.

    Args:
        query: [..., heads, queries, width].
        key: [..., heads, keys, width].
        value: [..., heads, keys, width].
        attn_mask: bool [..., queries, keys], true where a key is seen, or what is added to scores.
        dropout_p: must be 0.
        is_causal: whether no query sees a later key.
        scale: of the scores; the reciprocal root of the width where None.
        enable_gqa: whether several query heads share a key head.

    Raises:
        ValueError: dropout is asked for.
    """
    if dropout_p:
        raise ValueError("there is no dropout here")
    if enable_gqa:
        shared = query.shape[-3] // key.shape[-3]
        key, value = (part.repeat_interleave(shared, dim=-3) for part in (key, value))
    if is_causal:
        attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
    scaled = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    # Under autocast only values come from a product: rotated queries and keys are wider.
    asked, known = scaled.to(value.dtype), key.to(value.dtype)
    if attn_mask is None or attn_mask.dtype != torch.bool or attn_mask.ndim != 2:
        return _mix(asked, known, value, attn_mask)
    chunks = zip(torch.split(asked, CHUNK, -2), torch.split(attn_mask, CHUNK), strict=True)
    return torch.cat([_attend_chunk(part, known, value, mask) for part, mask in chunks], dim=-2)


def _attend_chunk(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    end = _last_seen(mask)
    return _mix(query, key[..., :end, :], value[..., :end, :], _added(mask[:, :end], value))


def _last_seen(mask: Tensor) -> int:
    """Returns how many keys there are up to the last one that any query sees, at least one."""
    seen = mask.any(dim=0).nonzero()
    return int(seen[-1]) + 1 if len(seen) else 1


def _added(mask: Tensor, value: Tensor) -> Tensor:
    """Returns what is added to scores for a mask, in the type of the values."""
    hidden = torch.finfo(value.dtype).min
    return value.new_zeros(mask.shape).masked_fill_(~mask, hidden)


def _mix(query: Tensor, key: Tensor, value: Tensor, added: Tensor | None) -> Tensor:
    mixed: Tensor = _Attention.apply(query, key, value, added)  # type: ignore[no-untyped-call]
    return mixed


class _Attention(torch.autograd.Function):
    """Softmax of products, times values. Its weights are the only matrix of scores that is kept."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, added: Tensor | None
    ) -> Tensor:
        scores = query @ key.transpose(-1, -2)
        weights = (scores if added is None else scores.add_(added)).softmax(dim=-1)
        ctx.save_for_backward(query, key, value, weights)
        return weights @ value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, weights = ctx.saved_tensors
        (mixed,) = gradients
        towards = mixed @ value.transpose(-1, -2)
        scores = torch._softmax_backward_data(towards, weights, -1, weights.dtype)
        to_value = weights.transpose(-1, -2) @ mixed
        return scores @ key, scores.transpose(-1, -2) @ query, to_value, None
