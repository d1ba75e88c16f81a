"""The attention of stock language models, delegated: the engine keeps their keys and values."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from costream.models.base import Attention

DELEGATED = "costream_delegated"
"""Name under which ``transformers`` knows :func:`delegated_attention`."""


def delegated_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    attention: Attention | None = None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attends as :class:`Attention` says; without one, over a whole causal sequence."""
    if attention is None:
        mixed, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **options
        )
        return mixed, None
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    layer: Any = module.layer_idx
    return attention.attend(layer, query[0], key[0], value[0], scale)[None], None


def delegate_attention(language: PreTrainedModel) -> None:
    """Lets a stock language model take an ``attention`` with every call."""
    AttentionInterface.register(DELEGATED, delegated_attention)
    language.set_attn_implementation(DELEGATED)


class AttentionAlone(nn.Module):
    """A stock layer that ends with its attention, for the sake of the keys that this sees."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer
        self.attention_type = getattr(layer, "attention_type", "full_attention")

    def forward(self, hidden: Tensor, **options: Any) -> Tensor:
        """Runs the attention and returns the hidden states as they were."""
        self.layer.self_attn(hidden_states=self.layer.input_layernorm(hidden), **options)
        return hidden
