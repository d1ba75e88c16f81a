"""How the weights of a stage are moved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from costream.lab.train import ranks
from costream.lab.train.recipe import StageRecipe


class Optimiser:
    """Muon on the matrices between hidden states, AdamW on all else; gradients are clipped.

    Muon (Jordan et al., 2024) takes a step of the same length along every direction of a matrix.
    What is rare, as events are, moves few of them and little: AdamW takes longer to learn it.
    The rate is one for both, and rises and falls with the steps.

    Args:
        modules: what learns.
        recipe: rate and number of steps.
    """

    def __init__(self, modules: Iterable[nn.Module], recipe: StageRecipe) -> None:
        modules = list(modules)
        self._parameters = [p for module in modules for p in module.parameters()]
        hidden = {id(p) for module in modules for p in _hidden_matrices(module)}
        matrices = [p for p in self._parameters if id(p) in hidden]
        others = [p for p in self._parameters if id(p) not in hidden]
        rate, decay = recipe.rate, recipe.decay
        muon = torch.optim.Muon(
            matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"
        )
        adam = torch.optim.AdamW(
            [
                {"params": [p for p in others if p.ndim >= 2], "weight_decay": decay},
                {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
            ],
            lr=rate,
            betas=(0.9, 0.98),
        )
        self._adjusting = [
            (
                optimiser,
                OneCycleLR(
                    optimiser, rate, total_steps=recipe.steps + 1, pct_start=0.05,
                    cycle_momentum=False, div_factor=20, final_div_factor=50,
                ),
            )
            for optimiser in (muon, adam)
        ]  # fmt: skip

    def step(self) -> None:
        """Learns from the gradients, of all processes, and clears them."""
        ranks.average_gradients(self._parameters)
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for optimiser, schedule in self._adjusting:
            optimiser.step()  # type: ignore[no-untyped-call]  # Muon's has no types
            schedule.step()
            optimiser.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Returns where the optimisers and their rates stand."""
        return {
            str(n): [part.state_dict() for part in parts] for n, parts in enumerate(self._adjusting)
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Brings them back to where they stood."""
        for n, parts in enumerate(self._adjusting):
            for part, saved in zip(parts, state[str(n)], strict=True):
                part.load_state_dict(saved)


def _hidden_matrices(module: nn.Module) -> list[Tensor]:
    """Returns the weights of linear layers, less those that are tied to an embedding."""
    tied = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    return [
        part.weight
        for part in module.modules()
        if isinstance(part, nn.Linear) and id(part.weight) not in tied
    ]
