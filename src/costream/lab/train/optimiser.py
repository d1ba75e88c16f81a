"""How the weights of a stage are moved."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from costream.lab.train import ranks
from costream.lab.train.precision import optimising
from costream.lab.train.recipe import StageRecipe


class Optimiser:
    """Muon on the matrices between hidden states, AdamW on all else; gradients are clipped.

    Muon (Jordan et al., 2024) takes a step of the same length along every direction of a matrix.
    What is rare, as events are, moves few of them and little: AdamW takes longer to learn it.
    The rate is one for both, and rises and falls with the steps; the vision encoder's may be lower.

    Args:
        modules: what learns.
        recipe: rates and number of steps.
        encoder: the vision encoder's weights among them.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module],
        recipe: StageRecipe,
        encoder: Iterable[nn.Parameter] = (),
    ) -> None:
        modules = list(modules)
        self._parameters = [p for module in modules for p in module.parameters()]
        hidden = {id(p) for module in modules for p in _hidden_matrices(module)}
        matrices = [p for p in self._parameters if id(p) in hidden]
        others = [p for p in self._parameters if id(p) not in hidden]
        gentle = {id(p) for p in encoder}
        optimisers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(
                [
                    *_by_rate([p for p in others if p.ndim >= 2], gentle, recipe.decay),
                    *_by_rate([p for p in others if p.ndim < 2], gentle, 0.0),
                ],
                betas=(0.9, 0.98),
            )
        ]
        # A convolutional network has none.
        if matrices:
            muon = torch.optim.Muon(
                _by_rate(matrices, gentle, recipe.decay),
                weight_decay=recipe.decay,
                adjust_lr_fn="match_rms_adamw",
            )
            optimisers.insert(0, muon)
        self._adjusting: list[tuple[Any, Any]] = [
            (optimiser, _schedule(optimiser, recipe)) for optimiser in optimisers
        ]

    def step(self) -> None:
        """Learns from the gradients, of all processes, and clears them."""
        ranks.average_gradients(self._parameters)
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        with optimising(self._parameters[0].device):
            for optimiser, schedule in self._adjusting:
                optimiser.step()
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


def _by_rate(
    parameters: Sequence[nn.Parameter], gentle: Container[int], decay: float
) -> list[dict[str, Any]]:
    """Returns groups of an optimiser: those that learn as all do, and those that learn gently."""
    groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for parameter in parameters:
        groups[id(parameter) in gentle].append(parameter)
    return [
        {"params": params, "weight_decay": decay, "gentle": is_gentle}
        for is_gentle, params in groups.items()
        if params
    ]


def _schedule(optimiser: torch.optim.Optimizer, recipe: StageRecipe) -> OneCycleLR:
    shares = [recipe.encoder if group["gentle"] else 1.0 for group in optimiser.param_groups]
    return OneCycleLR(
        optimiser,
        [recipe.rate * share for share in shares],
        total_steps=recipe.steps + 1,
        pct_start=0.05,
        cycle_momentum=False,
        div_factor=20,
        final_div_factor=50,
    )


def _hidden_matrices(module: nn.Module) -> list[Tensor]:
    """Returns the weights of linear layers, less those that are tied to an embedding."""
    tied = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    return [
        part.weight
        for part in module.modules()
        if isinstance(part, nn.Linear) and id(part.weight) not in tied
    ]
