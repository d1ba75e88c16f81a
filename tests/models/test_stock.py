from __future__ import annotations

import warnings

import torch

from costream.engine.store import KVStore, StoreView
from costream.models import ModelAdapter
from costream.models.stock import cache_option


def test_the_cache_goes_by_the_name_that_the_class_has_for_it() -> None:
    def before(past_key_values: object = None) -> None: ...
    def since(cache: object = None) -> None: ...

    assert cache_option(before) == "past_key_values"
    assert cache_option(since) == "cache"


def test_the_stock_class_takes_our_cache_without_a_warning(any_model: ModelAdapter) -> None:
    store = KVStore(any_model.kv_shape, prompt_tokens=0)
    store.append(3)
    segment = any_model.text([1, 2, 3])
    view = StoreView(store, torch.arange(3), [], any_model.move_keys)
    mask = torch.ones(3, 3, dtype=torch.bool).tril()
    with warnings.catch_warnings(), torch.inference_mode():
        # The tests' settings ignore warnings of transformers: here they would be a user's.
        warnings.simplefilter("error")
        hidden = any_model.forward(
            any_model.embed(segment, None), segment.positions, segment.visual, None, mask, view
        )
    assert hidden.shape[0] == 3
    assert all(store.read(layer)[0].any() for layer in range(any_model.kv_shape.layers))
