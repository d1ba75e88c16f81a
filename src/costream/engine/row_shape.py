"""What a row of the KV pool has room for, and what a page of features takes of them.

A row has room for keys and values of one token, a *unit* for each layer. The features of a visual
token take some units: a *page* is a few rows that hold features of several tokens instead, so that
one memory serves both, and neither is short while the other has room.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from costream.models import KVShape

SCALE_DTYPE = torch.float16
"""Of the scales of 8-bit keys and values."""

LARGEST_PAGE = 8
"""Most rows of a page."""


@dataclass(frozen=True, slots=True)
class RowShape:
    """What one row of the pool holds.

    Attributes:
        kv: shape of the language model's cache, in the type that it computes in.
        packed: keys and values are stored in 8 bits, with a float16 scale for each head of each
            layer's keys and of its values.
    """

    kv: KVShape
    packed: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """Type of stored keys and values."""
        return torch.int8 if self.packed else self.kv.dtype

    @property
    def bytes(self) -> int:
        """Memory of a row: keys and values of a token in all layers."""
        scales = 2 * self.kv.kv_heads * SCALE_DTYPE.itemsize if self.packed else 0
        return self.kv.layers * (self.unit * self.dtype.itemsize + scales)

    @property
    def unit(self) -> int:
        """Stored numbers of keys and values of a token in one layer."""
        return 2 * self.kv.kv_heads * self.kv.head_dim

    @property
    def features(self) -> int:
        """Stored numbers that the features of a visual token take the room of."""
        kv = self.kv
        return (1 + kv.deepstack) * kv.hidden * kv.dtype.itemsize // self.dtype.itemsize

    @property
    def feature_units(self) -> int:
        """Units that the features of a visual token take."""
        return -(-self.features // self.unit)

    @property
    def page_rows(self) -> int:
        """Rows of a page of features: as many as leave the least room unused."""
        least = -(-self.feature_units // self.kv.layers)
        unused = {
            rows: rows * self.kv.layers % self.feature_units / rows
            for rows in range(least, max(least, LARGEST_PAGE) + 1)
        }
        return min(unused, key=lambda rows: unused[rows])

    @property
    def page_features(self) -> int:
        """Visual tokens whose features a page holds."""
        return self.page_rows * self.kv.layers // self.feature_units

    def feature_rows(self, tokens: int) -> int:
        """Returns the rows that the features of some visual tokens take, in full pages."""
        return -(-tokens // self.page_features) * self.page_rows

    def with_features(self, tokens: int) -> int:
        """Returns the memory of some tokens that all have features, in bytes."""
        return (tokens + self.feature_rows(tokens)) * self.bytes
