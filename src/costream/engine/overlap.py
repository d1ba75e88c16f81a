"""What a window shares with the one before it, as a refresh policy sees it: token by token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from costream.engine.cached_patch import CachedPatch
from costream.engine.page_table import PageTable


@dataclass(frozen=True, slots=True)
class Overlap:
    """The temporal patches that an earlier window held already, and their tokens in slot order.

    Attributes:
        patches: in order.
        table: the rows of their tokens.
        start: the window's first tick.
    """

    patches: tuple[CachedPatch, ...]
    table: PageTable
    start: int

    @property
    def tokens(self) -> int:
        """Tokens of all patches, labels included."""
        return len(self.table.rows)

    def of(self, chosen: Callable[[CachedPatch], bool]) -> Tensor:
        """Returns the mask that takes patches whole: bool [tokens]."""
        masks = [torch.full((patch.tokens,), chosen(patch)) for patch in self.patches]
        return torch.cat([torch.empty(0, dtype=torch.bool), *masks])

    def highest(self, values: Tensor, share: float) -> Tensor:
        """Returns the mask of the share of tokens with the highest values: bool [tokens].

        Args:
            values: float [tokens].
            share: of all tokens, rounded to a whole number of them.
        """
        mask = torch.zeros(self.tokens, dtype=torch.bool)
        mask[values.topk(round(share * self.tokens)).indices.to(mask.device)] = True
        return mask

    def leading(self, share: float) -> Tensor:
        """Returns the mask of the first visual tokens of every patch: bool [tokens].

        Args:
            share: of each patch's visual tokens, rounded up.
        """
        segments = [patch.segment for patch in self.patches if patch.segment is not None]
        masks = [_first(segment.visual, share) for segment in segments]
        return torch.cat([torch.empty(0, dtype=torch.bool), *masks])

    def draws(self, seed: int) -> Tensor:
        """Returns random numbers that depend on the seed and the window alone: [tokens]."""
        return torch.from_numpy(np.random.default_rng((seed, self.start)).random(self.tokens))


def _first(visual: Tensor, share: float) -> Tensor:
    budget = -int(-share * int(visual.sum()) // 1)
    return visual & (visual.cumsum(0) <= budget)
