from __future__ import annotations

import warnings

import pytest
import torch

from costream.models import ModelAdapter
from tests.fakes import MaskedAttention


def forward(model: ModelAdapter, attention: MaskedAttention, until: int | None = None):
    segment = model.text([1, 2, 3])
    return model.forward(
        model.embed(segment, None), segment.positions, segment.visual, None, attention, until=until
    )


def test_the_stock_class_delegates_its_attention_without_a_warning(
    any_model: ModelAdapter,
) -> None:
    attention = MaskedAttention(torch.ones(3, 3, dtype=torch.bool).tril())
    with warnings.catch_warnings(), torch.inference_mode():
        # The tests' settings ignore warnings of transformers: here they would be a user's.
        warnings.simplefilter("error")
        hidden = forward(any_model, attention)
        stock = any_model.language(
            inputs_embeds=any_model.embed(any_model.text([1, 2, 3]), None)[None], use_cache=False
        ).last_hidden_state[0]
    assert torch.allclose(hidden, stock, atol=1e-5)
    assert attention.layers == list(range(any_model.kv_shape.layers))


@pytest.mark.parametrize("until", [0, 1])
def test_a_pass_can_end_at_the_attention_of_a_layer(any_model: ModelAdapter, until: int) -> None:
    attention = MaskedAttention(torch.ones(3, 3, dtype=torch.bool).tril())
    layers = any_model.language.layers
    with torch.inference_mode():
        forward(any_model, attention, until)
    assert attention.layers == list(range(until + 1))
    assert any_model.language.layers is layers
