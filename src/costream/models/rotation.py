"""Rotary positions moved after the fact: a key that stands elsewhere than where it was computed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Rotation:
    """The turn of each of some tokens' keys, in the half-split layout of ``transformers``.

    Attributes:
        cos: float32 [tokens, 1, head_dim].
        sin: float32 [tokens, 1, head_dim], its first half negative.
    """

    cos: Tensor
    sin: Tensor

    @classmethod
    def by(cls, distances: Tensor, frequencies: Tensor) -> Rotation:
        """Returns the rotation by distances along the stream.

        Args:
            distances: int64 [tokens], in positions, on the device of the frequencies.
            frequencies: [head_dim / 2], by how much each pair turns for a position.
        """
        # In double precision: the product of a far distance has no digits left for the angle else.
        angles = distances.double()[:, None, None] * frequencies.double()
        cos, sin = angles.cos().float(), angles.sin().float()
        return cls(torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1))

    def apply(self, keys: Tensor) -> Tensor:
        """Turns keys, [tokens, kv_heads, head_dim], in float32; returns them in their own type."""
        wide = keys.float()
        return torch.addcmul(wide * self.cos, wide.roll(wide.shape[-1] // 2, -1), self.sin).to(
            keys.dtype
        )
