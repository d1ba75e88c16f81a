"""A look at fresh keys without touching the store, for policies that choose by them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from costream.engine.store import KVStore

CHECK_LAYER = 1
"""The layer whose keys are compared (arXiv 2405.16444): the first whose keys depend on context.
Those of layer 0 depend on a token and its position alone, so that the stored ones are right."""


class Probed(Exception):
    """Ends a forward pass at the check layer: no error, but how a pass stops that has seen enough.

    Attributes:
        deviations: [queries], squared distance of each fresh key from the stored one.
    """

    def __init__(self, deviations: Tensor) -> None:
        super().__init__("the check layer was reached")
        self.deviations = deviations


class KeyProbe:
    """A store as the cache of a pass that ends at the check layer and writes nothing.

    Args:
        store: the store.
        slots: int64 [queries], the slots of the pass's tokens.

    Raises:
        Probed: by :meth:`update`, at the check layer.
    """

    def __init__(self, store: KVStore, slots: Tensor) -> None:
        self._store = store
        self._places = slots - store.first

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Returns what is stored; at the check layer, ends the pass."""
        keys, values = self._store.read(layer_idx)
        if layer_idx < CHECK_LAYER:
            return keys, values
        gaps = (key_states[0] - keys[0].index_select(1, self._places)).float()
        raise Probed(gaps.square().sum(dim=(0, 2)))

    def get_seq_length(self) -> int:
        """Returns the number of tokens that can be attended to."""
        return self._store.end - self._store.first
