"""The layers of a language model, run over packed tokens on the weights of a stock class.

Covered: decoder layers of Qwen2, Qwen3 and Qwen3-MoE, which all families here have: grouped heads,
biases and norms of queries and keys or not, a dense or a sparse MLP. The modules that hold weights
are called as they are, quantised ones too; what lies between them is done here, in fewer steps than
in the stock classes, and in the last layer only for tokens that are read. Who keeps keys and values
is the :class:`~costream.models.base.Attention` that a pass brings. The golden tests compare it with
the stock classes' own forward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from costream.models.language import Attention

Turn = tuple[Tensor, Tensor]
"""Cosines and sines of tokens' positions, [tokens, 1, head_dim]; half of the sines negative."""


class Decoder:
    """The decoder layers of a stock language model.

    Args:
        language: the stock class, with ``layers``, ``norm`` and ``rotary_emb``.
        heads: heads of queries.
        head_dim: width of a head.
    """

    def __init__(self, language: Any, heads: int, head_dim: int) -> None:
        self._language = language
        self._heads = heads
        self._head_dim = head_dim

    def run(
        self,
        hidden: Tensor,
        positions: Tensor,
        visual: Tensor,
        deepstack: Tensor | None,
        attention: Attention,
        *,
        read: Tensor | None = None,
        until: int | None = None,
    ) -> Tensor:
        """Runs the layers: see :meth:`ModelAdapter.forward`.

        Args:
            hidden: [tokens, hidden].
            positions: int64 [1, tokens] or [axes, 1, tokens], as ``rotary_emb`` takes them.
            visual: int64 [visual tokens], where DeepStack features are added.
            deepstack: [levels, visual tokens, hidden], or None.
            attention: how the layers attend.
            read: int64 [read], the tokens whose last hidden states are returned; all where None.
            until: the last layer whose attention is run; all layers where None.
        """
        turn = self._rotary(hidden, positions)
        layers, last = self._language.layers, len(self._language.layers) - 1
        for index, layer in enumerate(layers):
            if index == until:
                self._attended(layer, index, hidden, turn, attention, None)
                return hidden
            chosen = read if index == last else None
            mixed = self._attended(layer, index, hidden, turn, attention, chosen)
            if chosen is not None and not len(chosen):
                return hidden[:0]
            hidden = (hidden if chosen is None else hidden[chosen]) + mixed
            # Sparse MLPs want a batch in front.
            hidden = hidden + layer.mlp(_norm(layer.post_attention_layernorm, hidden)[None])[0]
            if deepstack is not None and index < len(deepstack):
                hidden = hidden + _spread(deepstack[index], visual, len(turn[0]), chosen)
        return _norm(self._language.norm, hidden)

    def _rotary(self, hidden: Tensor, positions: Tensor) -> Turn:
        cos, sin = self._language.rotary_emb(hidden[None], positions)
        half = self._head_dim // 2
        return cos[0, :, None], torch.cat([-sin[0, :, None, :half], sin[0, :, None, half:]], -1)

    def _attended(
        self,
        layer: Any,
        index: int,
        hidden: Tensor,
        turn: Turn,
        attention: Attention,
        chosen: Tensor | None,
    ) -> Tensor:
        """What a layer's attention adds to the hidden states, of chosen tokens or of all."""
        weights, normed = layer.self_attn, _norm(layer.input_layernorm, hidden)
        asking, where = normed, turn
        if chosen is not None:
            asking, where = normed[chosen], (turn[0][chosen], turn[1][chosen])
        # Not every class of quantised weights can be asked for no rows.
        none = hidden.new_empty(self._heads, 0, self._head_dim)
        queries = self._turned(weights, "q", asking, where) if len(asking) else none
        keys = self._turned(weights, "k", normed, turn)
        values = self._cut(weights.v_proj(normed))
        mixed = attention.attend(index, queries, keys, values.transpose(0, 1), weights.scaling)
        added: Tensor = weights.o_proj(mixed.flatten(1)) if len(mixed) else hidden[:0]
        return added

    def _turned(self, weights: Any, part: str, hidden: Tensor, turn: Turn) -> Tensor:
        """Projects to queries or keys, normed where the family does: [heads, tokens, head_dim]."""
        heads = self._cut(getattr(weights, f"{part}_proj")(hidden))
        if hasattr(weights, f"{part}_norm"):
            heads = _norm(getattr(weights, f"{part}_norm"), heads)
        # A rotation in the half-split layout of ``transformers``.
        turned = torch.addcmul(heads * turn[0], heads.roll(self._head_dim // 2, -1), turn[1])
        return turned.transpose(0, 1)

    def _cut(self, projected: Tensor) -> Tensor:
        """Cuts projected tokens into heads: [tokens, heads, head_dim]."""
        return torch.unflatten(projected, -1, (-1, self._head_dim))


def _norm(module: Any, hidden: Tensor) -> Tensor:
    """What a stock RMS norm does: in float32, rounded before the weight is multiplied with."""
    normed = functional.rms_norm(hidden, module.weight.shape, eps=module.variance_epsilon)
    product: Tensor = module.weight * normed
    return product


def _spread(features: Tensor, visual: Tensor, tokens: int, chosen: Tensor | None) -> Tensor:
    """Features of visual tokens, zeros for others: [tokens, hidden], or those of the chosen."""
    spread = features.new_zeros(tokens, features.shape[-1]).index_copy(0, visual, features)
    return spread if chosen is None else spread[chosen]
