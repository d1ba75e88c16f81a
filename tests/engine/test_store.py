from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from costream.engine.probe import KeyProbe, Probed
from costream.engine.store import Copies, KVStore, StoreView
from costream.errors import IntegrityError
from costream.models import KVShape, ModelAdapter

SHAPE = KVShape(layers=2, kv_heads=2, head_dim=4, dtype=torch.float32, device=torch.device("cpu"))


def fill(store: KVStore, slots: list[int], value: float) -> None:
    block = torch.full((2, len(slots), 4), value)
    for layer in range(2):
        store.write(layer, torch.tensor(slots), block + layer, -block - layer)


def moved(keys: torch.Tensor, distance: int | torch.Tensor) -> torch.Tensor:
    """Stands in for a rotation."""
    return keys + torch.as_tensor(distance)[..., None]


def seen(store: KVStore) -> list[float]:
    """The values in use, from the prompt to the end."""
    keys, values = store.read(0)
    assert torch.equal(keys, -values)
    return keys[0, 0, :, 0].tolist()


def test_tokens_keep_their_values_while_the_window_slides() -> None:
    store = KVStore(SHAPE, prompt_tokens=2, capacity=8)
    fill(store, [0, 1], 0.5)
    store.keep_prompt()
    alive: list[float] = []
    first = store.end
    for value in range(1, 60):
        shift = store.append(3)
        first -= shift
        fill(store, list(range(store.end - 3, store.end)), float(value))
        alive.append(float(value))
        if len(alive) > 2:
            alive.pop(0)
            first += 3
            store.evict_before(first)
        store.place_prompt(0, moved)
        store.check_integrity()
        assert seen(store) == [0.5, 0.5, *(v for v in alive for _ in range(3))]
    assert store.capacity <= 2 * (2 + 3 * 3), "memory is bounded by the window, not the stream"


def test_prompt_is_rotated_from_its_canonical_copy(model: ModelAdapter) -> None:
    store = KVStore(model.kv_shape, prompt_tokens=3)
    generator = torch.Generator().manual_seed(0)
    keys = torch.randn(model.kv_shape.kv_heads, 3, model.kv_shape.head_dim, generator=generator)
    for layer in range(model.kv_shape.layers):
        store.write(layer, torch.arange(3), keys, keys)
    store.keep_prompt()
    for distance in range(1, 2000, 7):
        store.place_prompt(distance, model.move_keys)
    once = model.move_keys(keys, distance)
    moved, values = store.read(0)
    assert torch.equal(moved[0], once), "a chain of moves must not drift"
    assert torch.equal(values[0], keys)


def test_truncate_frees_scratch_slots() -> None:
    store = KVStore(SHAPE, prompt_tokens=2)
    store.append(4)
    end = store.end
    store.append(5)
    store.truncate(end)
    assert store.end == end


@pytest.mark.parametrize("slot", [0, 100])
def test_slots_outside_the_window_are_refused(slot: int) -> None:
    store = KVStore(SHAPE, prompt_tokens=2)
    store.append(4)
    with pytest.raises(IntegrityError):
        store.truncate(slot)
    with pytest.raises(IntegrityError):
        store.evict_before(slot)


def test_a_value_that_is_not_finite_is_found() -> None:
    store = KVStore(SHAPE, prompt_tokens=2)
    store.append(1)
    fill(store, [2], float("nan"))
    with pytest.raises(IntegrityError, match="not finite"):
        store.check_integrity()


def test_the_prompt_must_be_computed_first() -> None:
    with pytest.raises(IntegrityError, match="never computed"):
        KVStore(SHAPE, prompt_tokens=2).place_prompt(0, moved)


@given(slots=st.sets(st.integers(0, 9), min_size=1).map(sorted))
def test_a_view_scatters_into_its_slots_only(slots: list[int]) -> None:
    store = KVStore(SHAPE, prompt_tokens=0)
    store.append(10)
    fill(store, list(range(10)), 1.0)
    fresh = torch.full((1, 2, len(slots), 4), 9.0)
    keys, values = StoreView(store, torch.tensor(slots), [], moved).update(fresh, fresh, 0)
    expected = [9.0 if slot in slots else 1.0 for slot in range(10)]
    assert keys[0, 1, :, 2].tolist() == expected
    assert values[0, 1, :, 2].abs().tolist() == expected


@pytest.mark.parametrize(
    ("args", "options"),
    [(({"sin": None},), {}), ((), {"kwargs": {"use_cache": True}}), ((), {"anything": 1})],
)
def test_what_else_attention_layers_hand_over_changes_nothing(
    args: tuple[object, ...], options: dict[str, object]
) -> None:
    """Releases of transformers differ in it: until 5.0 rotary tables, from 5.24 on options."""
    store = KVStore(SHAPE, prompt_tokens=0)
    store.append(3)
    fill(store, [0, 1, 2], 1.0)
    fresh = torch.full((1, 2, 1, 4), 9.0)
    view = StoreView(store, torch.tensor([1]), [], moved)
    keys, values = view.update(fresh, fresh, 0, *args, **options)
    assert keys[0, 0, :, 0].tolist() == values[0, 0, :, 0].abs().tolist() == [1, 9, 1]
    probe = KeyProbe(store, torch.tensor([1]))
    assert torch.equal(probe.update(fresh, fresh, 0, *args, **options)[0], keys)
    with pytest.raises(Probed):
        probe.update(fresh, fresh, 1, *args, **options)


def test_copies_take_keys_and_values_from_where_they_come_from_in_one_layer() -> None:
    store = KVStore(SHAPE, prompt_tokens=0)
    store.append(10)
    fill(store, list(range(10)), 1.0)
    fresh = torch.full((1, 2, 1, 4), 9.0)
    copies = Copies(torch.tensor([5, 7]), torch.tensor([3, 0]), torch.tensor([2, 7]))
    view = StoreView(store, torch.tensor([3]), [copies], moved)
    keys, values = view.update(fresh, fresh, 1)
    # What is computed in the same pass is there before it is copied.
    assert keys[0, 0, :, 0].tolist() == [2, 2, 2, 9, 2, 9 + 2, 2, 2 + 7, 2, 2]
    assert values[0, 0, :, 0].abs().tolist() == [2, 2, 2, 9, 2, 9, 2, 2, 2, 2]
    assert (store.read(0)[0] == 1).all()
