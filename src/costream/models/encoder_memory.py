"""What a vision encoder remembers of a stream: pruned patches stay in sight of those beside them.

A patch that is pruned is not run through the encoder. Left out of attention altogether, it would be
missing from what its neighbours see, and a walker in an empty frame is not a walker in a street. So
the encoder keeps, in each layer, the keys and values that every place of the picture had last.
Places don't move, so these need no rotation.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

REMEMBERING = "costream_remembering"
"""Name under which ``transformers`` knows :func:`remembering_attention`."""


@dataclass(frozen=True, slots=True)
class Glance:
    """One sequence of an attention layer: what of it is fresh, and what it sees.

    Attributes:
        fresh: int64 [queries], the places of its tokens, in order.
        seen: int64 [keys], the places that they see, those of its tokens among them.
    """

    fresh: Tensor
    seen: Tensor


class VisionMemory:
    """Keys and values of one stream's picture, by layer. One thread uses it."""

    def __init__(self) -> None:
        self._known = torch.empty(0, dtype=torch.bool)
        self._layers: dict[Hashable, tuple[Tensor, Tensor]] = {}

    def look(self, frames: Sequence[Tensor]) -> list[Tensor]:
        """Takes note of frames that are about to be encoded.

        Args:
            frames: the places of each that are encoded, bool [places], in order.

        Returns:
            The places known once each of them is encoded: bool [places].
        """
        if not len(self._known):
            self._known = torch.zeros_like(frames[0])
        known = []
        for fresh in frames:
            self._known = self._known | fresh
            known.append(self._known)
        return known

    def complete(
        self, layer: Hashable, glance: Glance, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Takes in one sequence's fresh keys and values.

        Args:
            layer: the layer.
            glance: where they belong and what is seen from there.
            keys: [1, heads, queries, head_dim].
            values: same shape.

        Returns:
            Those of all places that are seen: [1, heads, keys, head_dim].
        """
        if layer not in self._layers:
            _, heads, _, width = keys.shape
            blank = keys.new_zeros(1, heads, len(self._known), width)
            self._layers[layer] = blank, blank.clone()
        fresh, seen = glance.fresh.to(keys.device), glance.seen.to(keys.device)
        held_keys, held_values = self._layers[layer]
        held_keys.index_copy_(2, fresh, keys)
        held_values.index_copy_(2, fresh, values)
        # Where all is fresh, the sequence's own order is as good as that of the places.
        if len(fresh) == len(seen):
            return keys, values
        return held_keys.index_select(2, seen), held_values.index_select(2, seen)


class Recollection:
    """A memory in one call of a vision encoder: it knows which sequences each layer goes through.

    Args:
        memory: the stream's; without one, a sequence sees itself alone.
        glances: by layer, its sequences in order.
    """

    def __init__(
        self, memory: VisionMemory | None, glances: Mapping[Hashable, Sequence[Glance]]
    ) -> None:
        self._memory = memory
        self._glances: dict[Hashable, Iterator[Glance]] = {
            layer: iter(sequences) for layer, sequences in glances.items()
        }

    def complete(self, layer: Hashable, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Completes the next sequence of a layer: see :meth:`VisionMemory.complete`."""
        if self._memory is None:
            return keys, values
        return self._memory.complete(layer, next(self._glances[layer]), keys, values)


def recall(
    memory: VisionMemory | None, frames: Sequence[Tensor], layers: Iterable[Hashable]
) -> Recollection:
    """Returns the recollection of layers in which every frame sees all of itself.

    Args:
        memory: the stream's, or None.
        frames: the places of each that are encoded, bool [places], in order; those without any
            have no sequence.
        layers: the layers.
    """
    if memory is None:
        return Recollection(None, {})
    glances = [
        Glance(places(fresh), places(known))
        for fresh, known in zip(frames, memory.look(frames), strict=True)
        if fresh.any()
    ]
    return Recollection(memory, dict.fromkeys(layers, glances))


def places(mask: Tensor) -> Tensor:
    """Returns where a mask is true: int64 [places]."""
    return mask.nonzero().squeeze(1)


def remembering_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    recollection: Recollection | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention of stock vision encoders; with a recollection, over what is remembered as well."""
    if recollection is not None:
        key, value = recollection.complete(module, key, value)
    mixed, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return mixed, None


def set_attention(encoder: PreTrainedModel) -> None:
    """Lets a stock vision encoder attend by :func:`remembering_attention`.

    It takes a ``recollection`` with every call then.
    """
    AttentionInterface.register(REMEMBERING, remembering_attention)
    encoder.set_attn_implementation(REMEMBERING)
