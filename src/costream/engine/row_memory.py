"""The memory behind the rows of the KV pool: tensors, and nothing about who uses which row."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from costream.engine.row_shape import SCALE_DTYPE, RowShape
from costream.errors import PoolExhaustedError

_LARGEST = 127
"""Of the 8-bit numbers, of both signs."""


class StoredRows(NamedTuple):
    """Keys and values of rows, as they are stored.

    Attributes:
        numbers: [layers, rows, 2, kv_heads, head_dim].
        scales: float16 [layers, rows, 2, kv_heads] of 8-bit numbers; of others [layers, rows, 0].
    """

    numbers: Tensor
    scales: Tensor

    @property
    def bytes(self) -> int:
        """Memory that they take."""
        return self.numbers.nbytes + self.scales.nbytes


class RowMemory:
    """Keys and values by row, and features in the units of rows.

    Args:
        shape: what a row holds.
    """

    def __init__(self, shape: RowShape) -> None:
        self.shape = shape
        self._rows = self._empty(0)

    @property
    def capacity(self) -> int:
        """Rows there are."""
        return int(self._rows.numbers.shape[1])

    @property
    def bytes(self) -> int:
        """Memory allocated."""
        return self._rows.bytes

    def grow(self, rows: int) -> None:
        """Makes it that many rows; what rows hold stays.

        Raises:
            PoolExhaustedError: the device has no memory for them.
        """
        try:
            larger = self._empty(rows)
        except RuntimeError as error:  # torch's, also torch.OutOfMemoryError
            size = rows * self.shape.bytes / 2**30
            raise PoolExhaustedError(
                f"there is no memory for a KV pool of {size:.2f} GiB on "
                f"{self.shape.kv.device}: bound it by a smaller --kv-memory, or watch fewer cameras"
            ) from error
        for part, held in zip(larger, self._rows, strict=True):
            part[:, : held.shape[1]] = held
        self._rows = larger

    def write(self, layer: int, rows: Tensor, keys: Tensor, values: Tensor) -> None:
        """Stores one layer's keys and values, [kv_heads, tokens, head_dim] each."""
        numbers = torch.stack([keys, values]).permute(2, 0, 1, 3)
        if self.shape.packed:
            numbers, scales = _packed(numbers)
            self._rows.scales[layer].index_copy_(0, rows, scales)
        self._rows.numbers[layer].index_copy_(0, rows, numbers)

    def gather(self, layer: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Collects one layer's keys and values: [tokens, kv_heads, head_dim] each."""
        numbers = self._rows.numbers[layer].index_select(0, rows)
        if self.shape.packed:
            scales = self._rows.scales[layer].index_select(0, rows)
            numbers = (numbers * scales.float()[..., None]).to(self.shape.kv.dtype)
        keys, values = numbers.unbind(1)
        return keys, values

    def write_units(self, units: Tensor, features: Tensor) -> None:
        """Stores features in the room of units.

        Args:
            units: int64 [units], each a layer times the capacity, and a row; those of a token
                behind each other.
            features: [tokens, 1 + levels, hidden].
        """
        shape = self.shape
        numbers = features.flatten(1).contiguous().view(shape.dtype)
        room = shape.feature_units * shape.unit - shape.features
        self._units.index_copy_(0, units, pad(numbers, (0, room)).view(-1, shape.unit))

    def read_units(self, units: Tensor) -> Tensor:
        """Returns features from the room of units: see :meth:`write_units`."""
        shape, kv = self.shape, self.shape.kv
        wide = shape.feature_units * shape.unit
        numbers = self._units.index_select(0, units).view(-1, wide)
        found = numbers[:, : shape.features].contiguous().view(kv.dtype)
        return found.view(-1, 1 + kv.deepstack, kv.hidden)

    def save(self, rows: Tensor) -> StoredRows:
        """Copies keys and values of rows to host memory."""
        return StoredRows(*(part.index_select(1, rows).cpu() for part in self._rows))

    def restore(self, rows: Tensor, saved: StoredRows) -> None:
        """Copies keys and values of rows back from host memory."""
        for part, numbers in zip(self._rows, saved, strict=True):
            part.index_copy_(1, rows, numbers.to(part.device))

    def finite(self, rows: Tensor) -> bool:
        """Whether rows hold nothing but finite numbers."""
        scaled = self._rows.scales if self.shape.packed else self._rows.numbers
        return bool(torch.isfinite(scaled[:, rows]).all())

    @property
    def _units(self) -> Tensor:
        return self._rows.numbers.view(-1, self.shape.unit)

    def _empty(self, rows: int) -> StoredRows:
        shape, kv = self.shape, self.shape.kv
        sides = (2, kv.kv_heads) if shape.packed else (0,)
        return StoredRows(
            torch.zeros(
                kv.layers, rows, 2, kv.kv_heads, kv.head_dim, dtype=shape.dtype, device=kv.device
            ),
            torch.zeros(kv.layers, rows, *sides, dtype=SCALE_DTYPE, device=kv.device),
        )


def _packed(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Returns numbers in 8 bits, and the scale of each of their last axes."""
    scales = (numbers.abs().amax(dim=-1) / _LARGEST).to(SCALE_DTYPE)
    # Of nothing but zeros, whatever the scale.
    steps = numbers.float() / scales.float().clamp(min=torch.finfo(SCALE_DTYPE).tiny)[..., None]
    return steps.round().clamp(-_LARGEST, _LARGEST).to(torch.int8), scales
