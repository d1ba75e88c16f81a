"""Keys and values that a vision encoder keeps of a stream, for the patches that are pruned.

A patch that is pruned is not run through the encoder. Left out of attention altogether, it would be
missing from what its neighbours see, and a walker in an empty frame is not a walker in a street. So
each layer keeps the keys and values that every place of the picture had last. Places don't move,
so these need no rotation.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from costream.models.upload import upload

MEMORY_ATTENTION = "costream_encoder_memory"
"""Name under which ``transformers`` knows :func:`memory_attention`."""


class EncoderMemory:
    """Keys and values of one stream's picture, by layer. One thread uses it.

    All frames of the stream have the same places: patches, and what else the encoder attends to.
    """

    def __init__(self) -> None:
        self._known = torch.empty(0, dtype=torch.bool)
        self._layers: dict[Hashable, Tensor] = {}

    @property
    def bytes(self) -> int:
        """Bytes that are allocated on all devices; none before the first frame is encoded."""
        held = [self._known, *self._layers.values()]
        return sum(tensor.untyped_storage().nbytes() for tensor in held)

    def extend(self, fresh: Tensor) -> Tensor:
        """Adds the places of a frame that is about to be encoded.

        Args:
            fresh: bool [places], those that are encoded.

        Returns:
            The places whose keys and values are known then: bool [places].
        """
        self._known = self._known | fresh if len(self._known) else fresh.clone()
        return self._known

    def update(
        self, layer: Hashable, sequence: SequenceMetadata, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Stores one sequence's fresh keys and values and returns those that it attends to.

        Args:
            layer: the layer.
            sequence: the places of its tokens and of what they attend to.
            keys: [1, heads, queries, head_dim].
            values: same shape.

        Returns:
            Keys and values of all places attended to, [1, heads, keys, head_dim]: valid until the
            next update.
        """
        if layer not in self._layers:
            _, heads, _, width = keys.shape
            self._layers[layer] = keys.new_zeros(2, heads, len(self._known), width)
        stored = self._layers[layer]
        stored[0].index_copy_(1, sequence.fresh, keys[0])
        stored[1].index_copy_(1, sequence.fresh, values[0])
        if sequence.alone:
            return keys, values
        # Gathering all places would copy them: they are read where they are.
        seen = stored if sequence.seen is None else stored.index_select(2, sequence.seen)
        return seen[:1], seen[1:]


@dataclass(frozen=True, slots=True)
class SequenceMetadata:
    """What one sequence of a packed encoder call attends to.

    Attributes:
        memory: its stream's, or None where there is none.
        fresh: int64 [queries], the places of its tokens, in their order.
        alone: it attends to its own tokens and no others.
        seen: int64 [keys], the places that it attends to otherwise, its own among them; None where
            those are all places of the frame.
    """

    memory: EncoderMemory | None
    fresh: Tensor
    alone: bool
    seen: Tensor | None

    @classmethod
    def of(
        cls, memory: EncoderMemory | None, fresh: Tensor, known: Tensor, frame: int
    ) -> SequenceMetadata:
        """Returns the metadata of a sequence.

        Args:
            memory: its stream's, or None.
            fresh: int64 [queries], its own places.
            known: int64 [keys], the places that it attends to, its own among them.
            frame: places of the whole frame.
        """
        alone = len(fresh) == len(known)
        return cls(memory, fresh, alone, None if alone or len(known) == frame else known)


class AttentionMetadata:
    """What the sequences of one packed encoder call attend to, layer by layer.

    It serves one call. Sequences of one stream come in order of time: in each layer a sequence
    stores its keys and values before the next one reads, so that none sees a later frame.

    Args:
        layers: by layer, the sequences that its attention goes through, in order.
        device: where the encoder runs. Indices are uploaded once and not by layer.
    """

    def __init__(
        self, layers: Mapping[Hashable, Sequence[SequenceMetadata]], device: torch.device
    ) -> None:
        kinds = {id(sequences): sequences for sequences in layers.values()}
        uploaded = {key: _upload(sequences, device) for key, sequences in kinds.items()}
        self._pending: dict[Hashable, Iterator[SequenceMetadata]] = {
            layer: iter(uploaded[id(sequences)]) for layer, sequences in layers.items()
        }

    @classmethod
    def of_frames(
        cls,
        frames: Sequence[tuple[EncoderMemory | None, Tensor]],
        layers: Iterable[Hashable],
        device: torch.device,
    ) -> AttentionMetadata:
        """Returns the metadata of layers in which every frame attends to all of itself.

        Args:
            frames: for each frame its stream's memory and its places that are encoded, bool
                [places]; one without any has no sequence.
            layers: the layers.
            device: where the encoder runs.
        """
        sequences = []
        for memory, mask in frames:
            known = mask if memory is None else memory.extend(mask)
            if mask.any():
                sequences.append(
                    SequenceMetadata.of(memory, places(mask), places(known), len(mask))
                )
        return cls(dict.fromkeys(layers, sequences), device)

    def attended(self, layer: Hashable, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Returns what a layer's next sequence attends to: see :meth:`EncoderMemory.update`."""
        sequence = next(self._pending[layer])
        if sequence.memory is None:
            return keys, values
        return sequence.memory.update(layer, sequence, keys, values)


def _upload(sequences: Sequence[SequenceMetadata], device: torch.device) -> list[SequenceMetadata]:
    """Moves the indices of sequences to a device, all of them at once."""
    nothing = torch.empty(0, dtype=torch.int64)
    parts = [part for s in sequences for part in (s.fresh, nothing if s.seen is None else s.seen)]
    if not parts:
        return []
    moved = torch.split(upload(torch.cat(parts), device), [len(part) for part in parts])
    return [
        replace(s, fresh=fresh, seen=None if s.seen is None else seen)
        for s, fresh, seen in zip(sequences, moved[::2], moved[1::2], strict=True)
    ]


def places(mask: Tensor) -> Tensor:
    """Returns where a mask is true: int64 [places]."""
    return mask.nonzero().squeeze(1)


def memory_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    attention_metadata: AttentionMetadata | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention of stock vision encoders; with metadata, over what their memories hold as well."""
    if attention_metadata is not None:
        key, value = attention_metadata.attended(module, key, value)
    mixed, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return mixed, None


def set_attention(encoder: PreTrainedModel) -> None:
    """Lets a stock vision encoder attend by :func:`memory_attention`.

    It takes ``attention_metadata`` with every call then.
    """
    AttentionInterface.register(MEMORY_ATTENTION, memory_attention)
    encoder.set_attn_implementation(MEMORY_ATTENTION)
