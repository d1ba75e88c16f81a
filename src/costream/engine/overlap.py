"""What a window shares with the one before it, as a refresh policy sees it: token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from costream.engine.prefill import Piece, Prefill
from costream.engine.resident import Resident


class Overlap:
    """The residents that an earlier window held already, and their tokens in slot order.

    It is good for one choice: the next slide, and whatever is computed into the store, end it.

    Args:
        residents: in order.
        pieces: the same, as pieces of a pass; residents without tokens have none.
        start: the window's first tick.
        prefill: runs the pieces where a policy has to look at fresh keys.
    """

    def __init__(
        self,
        residents: Sequence[Resident],
        pieces: Sequence[Piece],
        start: int,
        prefill: Prefill,
    ) -> None:
        self.residents = residents
        self.pieces = pieces
        self.start = start
        self._prefill = prefill

    @property
    def tokens(self) -> int:
        """Tokens of all residents, labels included."""
        return sum(resident.tokens for resident in self.residents)

    def of(self, chosen: Callable[[Resident], bool]) -> Tensor:
        """Returns the mask that takes residents whole: bool [tokens]."""
        masks = [torch.full((r.tokens,), chosen(r)) for r in self.residents]
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
        """Returns the mask of the first visual tokens of every resident: bool [tokens].

        Args:
            share: of each resident's visual tokens, rounded up.
        """
        masks = [self._first(piece.segment.visual, share) for piece in self.pieces]
        return torch.cat([torch.empty(0, dtype=torch.bool), *masks])

    def draws(self, seed: int) -> Tensor:
        """Returns random numbers that depend on the seed and the window alone: [tokens]."""
        return torch.from_numpy(np.random.default_rng((seed, self.start)).random(self.tokens))

    def deviations(self) -> Tensor:
        """Returns how far each token's key at the check layer is from the stored: [tokens]."""
        return self._prefill.deviations(self.pieces) if self.pieces else torch.empty(0)

    def take(self, mask: Tensor) -> list[Piece]:
        """Returns the pieces of the chosen tokens, in slot order."""
        masks = torch.split(mask, [len(piece.segment) for piece in self.pieces])
        pairs = zip(self.pieces, masks, strict=True)
        return [piece.take(chosen) for piece, chosen in pairs if chosen.any()]

    @staticmethod
    def _first(visual: Tensor, share: float) -> Tensor:
        budget = -int(-share * int(visual.sum()) // 1)
        return visual & (visual.cumsum(0) <= budget)
