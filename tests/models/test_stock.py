from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from costream.models import ModelAdapter
from costream.models.stock import StockAdapter
from tests.fakes import MaskedAttention

NONE = torch.empty(0, dtype=torch.int64)


def forward(model: ModelAdapter, attention: MaskedAttention, **options: object) -> Tensor:
    segment = model.text([1, 2, 3])
    embeds = model.embed(segment, None)
    return model.forward(embeds, segment.positions, NONE, None, attention, **options)


def causal() -> MaskedAttention:
    return MaskedAttention(torch.ones(3, 3, dtype=torch.bool).tril())


def test_the_layers_compute_what_the_stock_class_does(any_model: ModelAdapter) -> None:
    attention = causal()
    with torch.inference_mode():
        hidden = forward(any_model, attention)
        stock = any_model.language(
            inputs_embeds=any_model.embed(any_model.text([1, 2, 3]), None)[None], use_cache=False
        ).last_hidden_state[0]
    assert torch.allclose(hidden, stock, atol=1e-5)
    assert attention.layers == list(range(any_model.kv_shape.layers))


@pytest.mark.parametrize("read", [[], [2], [2, 0]])
def test_only_the_hidden_states_that_are_read_are_computed(
    any_model: ModelAdapter, read: list[int]
) -> None:
    chosen = torch.tensor(read, dtype=torch.int64)
    with torch.inference_mode():
        whole = forward(any_model, causal())
        some = forward(any_model, causal().reading(chosen), read=chosen)
    assert torch.allclose(some, whole[chosen], atol=1e-5)


def test_features_are_added_to_tokens_that_are_read(model: ModelAdapter) -> None:
    segment, levels = model.text([1, 2, 3]), model.kv_shape.layers
    embeds, visual = model.embed(segment, None), torch.tensor([0, 2])
    deepstack = torch.randn(levels, 2, model.kv_shape.hidden)
    read = torch.tensor([1, 2])
    with torch.inference_mode():
        args = embeds, segment.positions, visual, deepstack
        whole = model.forward(*args, causal())
        some = model.forward(*args, causal().reading(read), read=read)
    assert torch.allclose(some, whole[read], atol=1e-5)


@pytest.mark.parametrize("until", [0, 1])
def test_a_pass_can_end_at_the_attention_of_a_layer(any_model: ModelAdapter, until: int) -> None:
    attention = causal()
    with torch.inference_mode():
        forward(any_model, attention, until=until)
    assert attention.layers == list(range(until + 1))


@pytest.mark.parametrize("read", [0, 1])
def test_flops_of_a_pass_are_those_that_torch_counts(any_model: StockAdapter, read: int) -> None:
    chosen, experts = torch.arange(read), any_model.text_config._experts_implementation
    # Torch counts neither grouped experts nor fused attention.
    any_model.model.set_experts_implementation("eager")
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        forward(any_model, causal().reading(chosen), read=chosen)
    any_model.model.set_experts_implementation(experts)
    layers, heads = any_model.kv_shape.layers, any_model.text_config.num_attention_heads
    attention = 4 * 3 * (3 * (layers - 1) + read) * heads * any_model.kv_shape.head_dim
    assert any_model.text_flops(3, 3, 0, read) == counted.get_total_flops() + attention
