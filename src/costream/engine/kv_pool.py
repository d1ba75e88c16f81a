"""The KV pool: keys, values and features of computed tokens, in rows that all streams share.

A row is one token that was run through the language model. What refers to rows is counted, and a
row is free again when nothing refers to it any more: a window's page table, what a stream carries
over from frames that have left it, a plan on its way through the runner. The features of a visual
token lie apart, in a slot of a page, and its row refers to that; a token that is recomputed gets a
new row that refers to the same slot. Rows of text have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from costream.engine.feature_pages import NO_SLOT, FeaturePages
from costream.engine.row_memory import RowMemory, StoredRows
from costream.engine.row_shape import RowShape
from costream.errors import IntegrityError, PoolExhaustedError
from costream.models import KVShape, Rotation, VisualTokens

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HostRows:
    """What rows held, in host memory.

    Attributes:
        keys_values: of each row, or None where only features were saved.
        features: [features, 1 + levels, hidden].
        places: int64 [rows], which of the features are a row's; ``NO_SLOT`` where it has none.
        contexts: see :attr:`KVPool.contexts`; none where only features were saved.
    """

    keys_values: StoredRows | None
    features: Tensor
    places: Rows
    contexts: Rows

    def __len__(self) -> int:
        return len(self.places)

    @property
    def bytes(self) -> int:
        """Host memory that it takes."""
        return self.features.nbytes + (0 if self.keys_values is None else self.keys_values.bytes)


class KVPool:
    """Rows of keys and values of all layers, and slots for the features of visual tokens.

    The engine's one thread uses it. Row numbers stay what they are when the pool grows. On a GPU, a
    pool with a limit takes its memory at once: to grow it would need the old and the new.

    Args:
        shape: shape and place of keys, values and features.
        rows: rows to begin with.
        limit: most rows that it may grow to; None for as many as there is memory for.
        packed: store keys and values in 8 bits.

    Attributes:
        contexts: int64 [rows], the first tick that the window held when a row was computed, as
            whoever took it noted.

    Raises:
        PoolExhaustedError: the device has no memory for it.
    """

    def __init__(
        self,
        shape: KVShape,
        rows: int = 1024,
        limit: int | None = None,
        *,
        packed: bool = False,
    ) -> None:
        self.shape = shape
        self.row = RowShape(shape, packed)
        self.limit = limit
        self._memory = RowMemory(self.row)
        self._pages = FeaturePages(self.row, self.allocate, self.release)
        self._counts = np.zeros(0, np.int64)
        self._slots = np.zeros(0, np.int64)
        self.contexts = np.zeros(0, np.int64)
        self._free: list[int] = []
        at_once = rows if shape.device.type == "cpu" else limit or rows
        self._grow(at_once if limit is None else min(at_once, limit))

    @property
    def capacity(self) -> int:
        """Rows there is memory for."""
        return len(self._counts)

    @property
    def used(self) -> int:
        """Rows that something refers to, those of pages of features among them."""
        return self.capacity - len(self._free)

    @property
    def bytes(self) -> int:
        """Memory allocated, in bytes."""
        return self._memory.bytes

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
                raise PoolExhaustedError(self._refusal(rows))
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
        freed = named[self._counts[named] == 0]
        slots = self._slots[freed]
        self._slots[freed] = NO_SLOT
        self._free.extend(freed.tolist())
        if (slots != NO_SLOT).any():
            self._pages.release(slots[slots != NO_SLOT])

    def slots(self, rows: Rows) -> Rows:
        """Returns the slots of features that rows refer to, ``NO_SLOT`` where there is none.

        Args:
            rows: int64 [rows]; a negative number is no row.
        """
        return np.where(rows >= 0, self._slots[rows], NO_SLOT)

    def attach(self, rows: Rows) -> None:
        """Gives rows that have no slot a free one each, for features to be written.

        Raises:
            PoolExhaustedError: there is no room for them; none is taken then.
        """
        if len(rows):
            self.bind(rows, self._pages.allocate(len(rows)))

    def bind(self, rows: Rows, slots: Rows) -> None:
        """Lets rows that have no slot refer to one each, which they may share."""
        self._slots[rows] = slots
        self._pages.retain(slots)

    def retain_slots(self, slots: Rows) -> None:
        """Counts a reference more for every time that a slot is named; ``NO_SLOT`` is none."""
        self._pages.retain(slots[slots != NO_SLOT])

    def release_slots(self, slots: Rows) -> None:
        """Counts a reference less for every time that a slot is named; ``NO_SLOT`` is none."""
        self._pages.release(slots[slots != NO_SLOT])

    def write(self, layer: int, rows: Tensor, keys: Tensor, values: Tensor) -> None:
        """Stores one layer's keys and values.

        Args:
            layer: the layer.
            rows: int64 [tokens], on the pool's device.
            keys: [kv_heads, tokens, head_dim], rotated to their positions.
            values: same shape.
        """
        self._memory.write(layer, rows, keys, values)

    def gather(self, layer: int, rows: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor]:
        """Collects one layer's keys and values, keys rotated to where they are referred to.

        Args:
            layer: the layer.
            rows: int64 [tokens], on the pool's device.
            rotation: of each token, or None where none moved.

        Returns:
            Keys and values, both [kv_heads, tokens, head_dim].
        """
        keys, values = self._memory.gather(layer, rows)
        if rotation is not None:
            keys = rotation.apply(keys)
        return keys.transpose(0, 1), values.transpose(0, 1)

    def units(self, rows: Rows) -> Rows:
        """Returns where the features of rows with a slot lie, until the pool grows: int64 [units].

        Args:
            rows: int64 [rows].
        """
        return self._pages.units(self._slots[rows], self.capacity).reshape(-1)

    def write_features(self, units: Tensor, visual: VisualTokens) -> None:
        """Stores the features of visual tokens, which are needed again when these are recomputed.

        Args:
            units: int64 [units], the :meth:`units` of their rows, on the pool's device.
            visual: the features.
        """
        features = torch.cat([visual.embeds[:, None], visual.deepstack.transpose(0, 1)], dim=1)
        self._memory.write_units(units, features)

    def features(self, units: Tensor) -> VisualTokens:
        """Returns the features of visual tokens: see :meth:`write_features`."""
        found = self._memory.read_units(units)
        return VisualTokens(found[:, 0], found[:, 1:].transpose(0, 1))

    def save(self, rows: Rows) -> HostRows:
        """Copies rows and their features to host memory."""
        keys_values, features = (
            self._memory.save(self._placed(rows)),
            self._saved(self._slots[rows]),
        )
        return HostRows(keys_values, *features, self.contexts[rows])

    def save_features(self, slots: Rows) -> HostRows:
        """Copies features alone to host memory, those of rows that had these slots."""
        return HostRows(None, *self._saved(slots), np.zeros(0, np.int64))

    def restore(self, saved: HostRows) -> Rows:
        """Takes rows and copies what was saved back into them.

        Returns:
            The rows, which their taker refers to once each: int64 [rows].

        Raises:
            PoolExhaustedError: there is no room for them; none is taken then.
        """
        if saved.keys_values is None:
            raise IntegrityError("keys and values were not saved")
        rows = self.allocate(len(saved))
        try:
            slots = self._restored(saved)
        except PoolExhaustedError:
            self.release(rows)
            raise
        known = saved.places != NO_SLOT
        self.bind(rows[known], slots[known])
        self.contexts[rows] = saved.contexts
        self._memory.restore(self._placed(rows), saved.keys_values)
        return rows

    def restore_features(self, saved: HostRows) -> Rows:
        """Takes slots and copies saved features back into them.

        Returns:
            The slot of each row that was saved, which the taker refers to once each time that it
            is named: int64 [rows].

        Raises:
            PoolExhaustedError: there is no room for them; none is taken then.
        """
        slots = self._restored(saved)
        self.retain_slots(slots)
        return slots

    def check_integrity(self, referred: Sequence[Rows], held: Sequence[Rows] = ()) -> None:
        """Checks the counts against all references there are.

        Args:
            referred: the rows that each holder refers to.
            held: the slots that are referred to by others than rows.

        Raises:
            IntegrityError: a count is wrong, or a row in use holds what is not finite.
        """
        slots = np.concatenate([self._slots[self._slots != NO_SLOT], *held])
        pages = self._pages.check_integrity(slots[slots != NO_SLOT])
        counts = np.zeros_like(self._counts)
        for rows in [*referred, pages]:
            np.add.at(counts, rows, 1)
        if not np.array_equal(counts, self._counts):
            wrong = int(np.flatnonzero(counts != self._counts)[0])
            raise IntegrityError(
                f"row {wrong} is referred to {counts[wrong]} times "
                f"and counted {self._counts[wrong]}"
            )
        if sorted(self._free) != np.flatnonzero(counts == 0).tolist():
            raise IntegrityError("the free rows are not those without a reference")
        counts[pages] = 0
        if not self._memory.finite(self._placed(np.flatnonzero(counts))):
            raise IntegrityError("a row in use holds a value that is not finite")

    def _refusal(self, rows: int) -> str:
        assert self.limit is not None
        return (
            f"the KV pool has {self.limit - self.used} rows free of {self.limit}, and a window "
            f"takes at least {rows} more: give the pool more by --kv-memory, shorten --window, "
            "choose a smaller --frame-size, or watch fewer cameras with fewer --workers"
        )

    def _saved(self, slots: Rows) -> tuple[Tensor, Rows]:
        known = slots != NO_SLOT
        named, inverse = np.unique(slots[known], return_inverse=True)
        places = np.full(len(slots), NO_SLOT)
        places[known] = inverse
        return self._memory.read_units(self._units(named)).cpu(), places

    def _restored(self, saved: HostRows) -> Rows:
        """Takes slots for saved features, to which nobody refers yet: int64 [rows]."""
        slots = self._pages.allocate(len(saved.features))
        self._memory.write_units(self._units(slots), saved.features.to(self.shape.device))
        found = np.full(len(saved), NO_SLOT)
        known = saved.places != NO_SLOT
        found[known] = slots[saved.places[known]]
        return found

    def _units(self, slots: Rows) -> Tensor:
        units = self._pages.units(slots, self.capacity).reshape(-1)
        return torch.from_numpy(units).to(self.shape.device)

    def _placed(self, rows: Rows) -> Tensor:
        return torch.from_numpy(rows).to(self.shape.device)

    def _grow(self, rows: int) -> None:
        rows = rows if self.limit is None else min(rows, self.limit)
        before = self.capacity
        self._memory.grow(rows)
        self._counts = np.concatenate([self._counts, np.zeros(rows - before, np.int64)])
        self._slots = np.concatenate([self._slots, np.full(rows - before, NO_SLOT)])
        self.contexts = np.concatenate([self.contexts, np.zeros(rows - before, np.int64)])
        self._free = [*range(rows - 1, before - 1, -1), *self._free]
