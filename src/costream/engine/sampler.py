"""Which token of a reply is written next."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from costream.engine.reply import ReplyOptions
from costream.errors import ModelError


class Sampler:
    """Picks the tokens of one reply.

    Args:
        options: how the reply is written.
        barred: tokens that it does not hold.
    """

    def __init__(self, options: ReplyOptions, barred: Iterable[int]) -> None:
        self._options = options
        self._barred = list(barred)
        self._draws = torch.Generator()
        if options.seed is None:
            self._draws.seed()
        else:
            self._draws.manual_seed(options.seed)

    def pick(self, logits: Tensor) -> int:
        """Returns the next token.

        Args:
            logits: float32 [vocabulary], on the CPU.

        Raises:
            ModelError: they are not numbers.
        """
        if logits.isnan().any():
            raise ModelError(
                "what the model wrote is not a number: its weights are damaged or too large for "
                "their type (try another --dtype)"
            )
        allowed = logits.clone()
        allowed[self._barred] = -torch.inf
        if self._options.temperature == 0:
            return int(allowed.argmax())
        chances = (allowed / self._options.temperature).softmax(0)
        likely, ids = chances.sort(descending=True)
        # The likeliest one always stays.
        likely[likely.cumsum(0) - likely >= self._options.top_p] = 0
        return int(ids[torch.multinomial(likely, 1, generator=self._draws)])
