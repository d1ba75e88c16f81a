"""The KV pool: keys, values and features of computed tokens, in rows that all streams share.

A row is one token that was run through the language model. What refers to rows is counted, and a
row is free again when nothing refers to it any more: a window's page table, what a stream carries
over from frames that have left it, a plan on its way through the runner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from costream.errors import IntegrityError, PoolExhaustedError
from costream.models import KVShape, Rotation, VisualTokens

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HostRows:
    """What rows held, in host memory.

    Attributes:
        keys_values: [layers, rows, 2, kv_heads, head_dim], or None where only features were saved.
        features: [1, rows, 1 + levels, hidden].
    """

    keys_values: Tensor | None
    features: Tensor

    def __len__(self) -> int:
        return int(self.features.shape[1])

    @property
    def bytes(self) -> int:
        """Host memory that it takes."""
        return self.features.nbytes + (0 if self.keys_values is None else self.keys_values.nbytes)


class KVPool:
    """Rows of keys and values of all layers, and of the features of visual tokens.

    The engine's one thread uses it. Row numbers stay what they are when the pool grows.

    Args:
        shape: shape and place of keys, values and features.
        rows: rows to begin with.
        limit: most rows that it may grow to; None for as many as there is memory for.
    """

    def __init__(self, shape: KVShape, rows: int = 1024, limit: int | None = None) -> None:
        self.shape = shape
        self.limit = limit
        self._kv = self._empty(0, shape.layers, 2, shape.kv_heads, shape.head_dim)
        self._features = self._empty(0, 1, 1 + shape.deepstack, shape.hidden)
        self._counts = np.zeros(0, np.int64)
        self._free: list[int] = []
        self._grow(rows if limit is None else min(rows, limit))

    @property
    def capacity(self) -> int:
        """Rows there is memory for."""
        return len(self._counts)

    @property
    def used(self) -> int:
        """Rows that something refers to."""
        return self.capacity - len(self._free)

    @property
    def bytes(self) -> int:
        """Memory allocated, in bytes."""
        return self._kv.nbytes + self._features.nbytes

    def can_allocate(self, rows: int) -> bool:
        """Whether that many rows are free, or can be had by growing."""
        return self.limit is None or self.used + rows <= self.limit

    def allocate(self, rows: int) -> Rows:
        """Takes free rows, which their taker refers to once: int64 [rows].

        Raises:
            PoolExhaustedError: there are not as many within the limit.
        """
        if rows > len(self._free):
            if not self.can_allocate(rows):
                raise PoolExhaustedError(
                    f"the KV pool has {len(self._free)} rows free of {self.limit}, and a window "
                    f"takes {rows} more: watch fewer streams, or give it more memory"
                )
            self._grow(max(2 * self.capacity, self.used + rows))
        taken = np.array(self._free[len(self._free) - rows :], np.int64)
        del self._free[len(self._free) - rows :]
        self._counts[taken] = 1
        return taken

    def retain(self, rows: Rows) -> None:
        """Counts one more reference for every time that a row is named."""
        np.add.at(self._counts, rows, 1)

    def release(self, rows: Rows) -> None:
        """Counts one reference less for every time that a row is named; frees those without any."""
        np.subtract.at(self._counts, rows, 1)
        named = np.unique(rows)
        self._free.extend(named[self._counts[named] == 0].tolist())

    def write(self, layer: int, rows: Tensor, keys: Tensor, values: Tensor) -> None:
        """Stores one layer's keys and values.

        Args:
            layer: the layer.
            rows: int64 [tokens], on the pool's device.
            keys: [kv_heads, tokens, head_dim], rotated to their positions.
            values: same shape.
        """
        self._kv[layer].index_copy_(0, rows, torch.stack([keys, values]).permute(2, 0, 1, 3))

    def gather(self, layer: int, rows: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor]:
        """Collects one layer's keys and values, keys rotated to where they are referred to.

        Args:
            layer: the layer.
            rows: int64 [tokens], on the pool's device.
            rotation: of each token, or None where none moved.

        Returns:
            Keys and values, both [kv_heads, tokens, head_dim].
        """
        keys, values = self._kv[layer].index_select(0, rows).unbind(1)
        if rotation is not None:
            keys = rotation.apply(keys)
        return keys.transpose(0, 1), values.transpose(0, 1)

    def write_features(self, rows: Tensor, visual: VisualTokens) -> None:
        """Stores the features of visual tokens, which are needed again when these are recomputed.

        Args:
            rows: int64 [tokens], on the pool's device.
            visual: as many.
        """
        self._features[0, rows, 0] = visual.embeds
        self._features[0, rows, 1:] = visual.deepstack.transpose(0, 1)

    def features(self, rows: Tensor) -> VisualTokens:
        """Returns the features of visual tokens: see :meth:`write_features`."""
        found = self._features[0].index_select(0, rows)
        return VisualTokens(found[:, 0], found[:, 1:].transpose(0, 1))

    def save(self, rows: Rows, *, keys: bool) -> HostRows:
        """Copies rows to host memory, with or without their keys and values."""
        placed = torch.from_numpy(rows).to(self.shape.device)
        kept = self._kv.index_select(1, placed).cpu() if keys else None
        return HostRows(kept, self._features.index_select(1, placed).cpu())

    def restore(self, rows: Rows, saved: HostRows) -> None:
        """Copies rows back from host memory."""
        placed = torch.from_numpy(rows).to(self.shape.device)
        self._features.index_copy_(1, placed, saved.features.to(self.shape.device))
        if saved.keys_values is not None:
            self._kv.index_copy_(1, placed, saved.keys_values.to(self.shape.device))

    def check_integrity(self, referred: Sequence[Rows]) -> None:
        """Checks the counts against all references there are.

        Args:
            referred: the rows that each holder refers to.

        Raises:
            IntegrityError: a count is wrong, or a row in use holds what is not finite.
        """
        counts = np.zeros_like(self._counts)
        for rows in referred:
            np.add.at(counts, rows, 1)
        if not np.array_equal(counts, self._counts):
            wrong = int(np.flatnonzero(counts != self._counts)[0])
            raise IntegrityError(
                f"row {wrong} is referred to {counts[wrong]} times "
                f"and counted {self._counts[wrong]}"
            )
        if sorted(self._free) != np.flatnonzero(counts == 0).tolist():
            raise IntegrityError("the free rows are not those without a reference")
        used = torch.from_numpy(np.flatnonzero(counts)).to(self.shape.device)
        if not bool(torch.isfinite(self._kv[:, used]).all()):
            raise IntegrityError("a row in use holds a value that is not finite")

    def _grow(self, rows: int) -> None:
        rows = rows if self.limit is None else min(rows, self.limit)
        before = self.capacity
        self._kv = self._larger(self._kv, rows)
        self._features = self._larger(self._features, rows)
        self._counts = np.concatenate([self._counts, np.zeros(rows - before, np.int64)])
        self._free = [*range(rows - 1, before - 1, -1), *self._free]

    def _larger(self, held: Tensor, rows: int) -> Tensor:
        larger = self._empty(rows, *[held.shape[0], *held.shape[2:]])
        larger[:, : held.shape[1]] = held
        return larger

    def _empty(self, rows: int, first: int, *rest: int) -> Tensor:
        return torch.zeros(first, rows, *rest, dtype=self.shape.dtype, device=self.shape.device)
