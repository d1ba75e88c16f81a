"""The KV store: keys and values of one stream's window, in the order of their positions.

::

    slot   0 ...      start-P ... start-1 | start ...            end-1 | end ...
           free       the prompt          | tokens of the window       | scratch: questions

Slots are numbered in position order, so causality is a comparison of slots. A window that slides
drops tokens at the front and appends at the end; the prompt, P tokens, moves into the slots just
before the first token that is left. Its keys are rotated there once from their canonical copy;
the thousands of video keys keep the positions they were computed at and are never rotated, since
attention sees only differences of positions. When the space behind the end runs out, the living
part moves to the front: one copy for every window's length of stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from costream.errors import IntegrityError
from costream.models import KVShape

MoveKeys = Callable[[Tensor, int | Tensor], Tensor]
"""Rotates keys by distances in positions: ``ModelAdapter.move_keys``."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Slots that take their keys and values from other slots.

    Attributes:
        slots: int64 [tokens].
        sources: int64 [tokens], each before its slot; none of them a copy of the same pass.
        distances: int64 [tokens], positions from each source to its slot.
    """

    slots: Tensor
    sources: Tensor
    distances: Tensor

    def __len__(self) -> int:
        return int(self.slots.shape[0])


class KVStore:
    """Keys and values of one stream. It belongs to one session and is not safe to share.

    Args:
        shape: shape and place of the cache.
        prompt_tokens: length P of the prompt.
        capacity: slots to begin with; the store grows when a window needs more.
    """

    def __init__(self, shape: KVShape, prompt_tokens: int, capacity: int = 1024) -> None:
        self.shape = shape
        self.prompt_tokens = prompt_tokens
        self.start = self.end = prompt_tokens
        size = (shape.layers, 2, shape.kv_heads, max(capacity, 2 * prompt_tokens), shape.head_dim)
        self._slots = torch.zeros(size, dtype=shape.dtype, device=shape.device)
        self._prompt: Tensor | None = None

    @property
    def capacity(self) -> int:
        """Number of slots there is memory for."""
        return self._slots.shape[3]

    @property
    def bytes(self) -> int:
        """Memory held, in bytes."""
        prompt = 0 if self._prompt is None else self._prompt.nbytes
        return self._slots.nbytes + prompt

    @property
    def first(self) -> int:
        """First slot that can be attended to: the prompt's."""
        return self.start - self.prompt_tokens

    def append(self, tokens: int) -> int:
        """Reserves slots at the end.

        Args:
            tokens: how many.

        Returns:
            By how much all earlier slots moved to the front to make room (0 mostly): holders of
            slot numbers subtract it. The new slots are the last ``tokens`` before :attr:`end`.
        """
        shift = 0
        if self.end + tokens > self.capacity:
            shift = self._make_room(tokens)
        self.end += tokens
        return shift

    def truncate(self, end: int) -> None:
        """Frees the slots from ``end`` on."""
        if not self.start <= end <= self.end:
            raise IntegrityError(f"can't truncate to {end}: slots are {self.start} to {self.end}")
        self.end = end

    def evict_before(self, slot: int) -> None:
        """Frees the window's slots before ``slot``. The prompt has to be placed again."""
        if not self.start <= slot <= self.end:
            raise IntegrityError(f"can't evict to {slot}: slots are {self.start} to {self.end}")
        self.start = slot

    def clear(self) -> None:
        """Frees all slots but the prompt's."""
        self.start = self.end = self.prompt_tokens

    def keep_prompt(self) -> None:
        """Takes the prompt's slots, just computed at positions 0 to P-1, as the canonical copy."""
        self._prompt = self._slots[:, :, :, self.first : self.start].clone()

    def place_prompt(self, distance: int, move_keys: MoveKeys) -> None:
        """Writes the prompt into the slots before the window, ``distance`` positions on."""
        if self._prompt is None:
            raise IntegrityError("the prompt was never computed")
        place = self._slots[:, :, :, self.first : self.start]
        place[:, 0] = move_keys(self._prompt[:, 0], distance)
        place[:, 1] = self._prompt[:, 1]

    def write(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Scatters one layer's new keys and values.

        Args:
            layer: the layer.
            slots: int64 [tokens], where they go.
            keys: [kv_heads, tokens, head_dim], rotated to their positions.
            values: same shape.
        """
        self._slots[layer, 0].index_copy_(1, slots, keys)
        self._slots[layer, 1].index_copy_(1, slots, values)

    def copy(self, layer: int, copies: Copies, move_keys: MoveKeys) -> None:
        """Fills slots of one layer from others, with the keys rotated to where they go.

        Args:
            layer: the layer.
            copies: which.
            move_keys: rotates the keys.
        """
        keys, values = self._slots[layer].index_select(2, copies.sources)
        self.write(layer, copies.slots, move_keys(keys, copies.distances), values)

    def read(self, layer: int) -> tuple[Tensor, Tensor]:
        """Returns views of one layer's keys and values from the prompt to the end.

        Both are [1, kv_heads, end - first, head_dim] and change with the next write.
        """
        keys, values = self._slots[layer, :, None, :, self.first : self.end]
        return keys, values

    def check_integrity(self) -> None:
        """Checks the store's invariants.

        Raises:
            IntegrityError: one does not hold.
        """
        if not 0 <= self.first <= self.start <= self.end <= self.capacity:
            raise IntegrityError(
                f"slots out of order: {self.first}, {self.start}, {self.end} of {self.capacity}"
            )
        if not bool(torch.isfinite(self._slots[:, :, :, self.first : self.end]).all()):
            raise IntegrityError("a slot in use holds a value that is not finite")

    def _make_room(self, tokens: int) -> int:
        """Moves the living part to the front, into larger memory where it needs that."""
        shift, alive = self.first, self._slots[:, :, :, self.first : self.end]
        needed = self.end - self.first + tokens
        # Twice what is alive, so that the next move is about a window away.
        if 2 * needed > self.capacity:
            size = list(self._slots.shape)
            size[3] = 2 * needed
            larger = self._slots.new_zeros(size)
            larger[:, :, :, : alive.shape[3]] = alive
            self._slots = larger
        else:
            self._slots[:, :, :, : alive.shape[3]] = alive.clone()
        self.start, self.end = self.start - shift, self.end - shift
        return shift


class StoreView:
    """A store as the cache of one forward pass: it knows where that pass's tokens belong.

    Args:
        store: the store.
        slots: int64 [queries], the slots of the pass's tokens.
        copies: slots that are filled from others as the pass goes through the layers.
        move_keys: rotates keys that are copied.
    """

    def __init__(
        self, store: KVStore, slots: Tensor, copies: Sequence[Copies], move_keys: MoveKeys
    ) -> None:
        self._store = store
        self._slots = slots
        self._copies = copies
        self._move_keys = move_keys

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Scatters fresh keys into their slots and returns all that can be attended to."""
        self._store.write(layer_idx, self._slots, key_states[0], value_states[0])
        for copies in self._copies:
            self._store.copy(layer_idx, copies, self._move_keys)
        return self._store.read(layer_idx)

    def get_seq_length(self) -> int:
        """Returns the number of tokens that can be attended to."""
        return self._store.end - self._store.first
