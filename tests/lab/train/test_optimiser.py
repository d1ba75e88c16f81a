"""Muon takes the matrices between hidden states, AdamW all else."""

from copy import deepcopy

import torch
from torch import nn

from costream.lab.train import StageRecipe
from costream.lab.train.optimiser import Optimiser


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(7, 4)
        self.hidden = nn.Linear(4, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.words.weight


def step_of(optimiser, module, gradients):
    """What one step moves each parameter by."""
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    for name, parameter in module.named_parameters():
        parameter.grad = gradients[name]
    optimiser.step()
    return {name: before[name] - p.detach() for name, p in module.named_parameters()}


def test_a_rare_direction_of_a_matrix_moves_as_far_as_a_common_one():
    torch.manual_seed(1)
    module = Tied()
    optimiser = Optimiser([module], StageRecipe(steps=20, batch=1, rate=1e-3, decay=0.0))
    gradients = {name: torch.zeros_like(p) for name, p in module.named_parameters()}
    gradients["hidden.weight"] = torch.diag(torch.tensor([1.0, 0.1, 0.1, 0.1]))
    moved = step_of(optimiser, module, gradients)["hidden.weight"].diagonal()
    assert moved.min() > 0.5 * moved.max() > 0


def test_a_head_that_is_an_embedding_is_learnt_by_adam():
    module = Tied()
    optimiser = Optimiser([module], StageRecipe(steps=20, batch=1, rate=1e-3, decay=0.0))
    gradients = {name: torch.zeros_like(p) for name, p in module.named_parameters()}
    gradients["words.weight"] = torch.zeros(7, 4)
    gradients["words.weight"][2, 1] = 1.0
    moved = step_of(optimiser, module, gradients)["words.weight"]
    # AdamW moves what has a gradient and nothing else; Muon would spread it over the matrix.
    assert moved[2, 1] > 0
    assert moved.count_nonzero() == 1


def test_the_encoder_learns_at_a_share_of_the_rate():
    torch.manual_seed(1)
    twins = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
    twins[1].load_state_dict(twins[0].state_dict())
    recipe = StageRecipe(steps=20, batch=1, rate=1e-3, decay=0.0, encoder=0.25)
    optimiser = Optimiser([twins], recipe, twins[1].parameters())
    weight, bias = torch.randn(4, 4), torch.randn(4)
    gradients = {
        name: (weight if name.endswith("weight") else bias).clone()
        for name, _ in twins.named_parameters()
    }
    moved = step_of(optimiser, twins, gradients)
    for part in ("weight", "bias"):
        torch.testing.assert_close(moved[f"1.{part}"], moved[f"0.{part}"] / 4, rtol=1e-2, atol=1e-7)


def test_parts_that_learn_nothing_stay():
    module = Tied()
    optimiser = Optimiser([module], StageRecipe(steps=20, batch=1, rate=1e-3))
    moved = step_of(optimiser, module, dict.fromkeys(dict(module.named_parameters())))
    assert not any(change.any() for change in moved.values())


def test_goes_on_where_it_stood():
    torch.manual_seed(1)
    first, second = Tied(), Tied()
    recipe = StageRecipe(steps=20, batch=1, rate=1e-3)
    gradients = {name: torch.randn_like(p) for name, p in first.named_parameters()}
    begun = Optimiser([first], recipe)
    step_of(begun, first, {name: g.clone() for name, g in gradients.items()})
    second.load_state_dict(first.state_dict())
    resumed = Optimiser([second], recipe)
    # Loading shares tensors where it can.
    resumed.load_state_dict(deepcopy(begun.state_dict()))
    moved = [
        step_of(optimiser, module, {name: g.clone() for name, g in gradients.items()})
        for optimiser, module in ((begun, first), (resumed, second))
    ]
    assert all(torch.equal(moved[0][name], moved[1][name]) for name in moved[0])
