"""What a window shares with the one before it, as a refresh policy sees it: token by token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from costream.engine.cached_patch import CachedPatch
from costream.engine.page_table import Ints, PageTable


@dataclass(frozen=True, slots=True)
class Overlap:
    """The temporal patches that an earlier window held already, and their tokens in slot order.

    Attributes:
        patches: in order.
        table: the rows of their tokens.
        start: the window's first tick.
        contexts: int64 [tokens], the first tick that the window held when each token's row was
            computed; None where they are not in the pool.
        span: ticks of a window.
    """

    patches: tuple[CachedPatch, ...]
    table: PageTable
    start: int
    contexts: Ints | None = None
    span: int = 1

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

    def staleness(self) -> Tensor:
        """Returns how much would be put right by recomputing each token: float64 [tokens].

        It is the share of a window by which the window has moved on since the token's row was
        computed, at most 1, times how many tokens refer to that row: they follow. Where several
        do, it is the first one's, and 0 the others'.
        """
        assert self.contexts is not None
        gone = np.clip((self.start - self.contexts) / self.span, 0.0, 1.0)
        _, first, counts = np.unique(self.table.rows, return_index=True, return_counts=True)
        stale = np.zeros(self.tokens)
        stale[first] = gone[first] * counts
        return torch.from_numpy(stale)

    def draws(self, seed: int) -> Tensor:
        """Returns random numbers that depend on the seed and the window alone: [tokens]."""
        return torch.from_numpy(np.random.default_rng((seed, self.start)).random(self.tokens))


def _first(visual: Tensor, share: float) -> Tensor:
    budget = -int(-share * int(visual.sum()) // 1)
    return visual & (visual.cumsum(0) <= budget)
