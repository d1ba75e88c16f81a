"""The attention of one pass: what its tokens look at, and what computes what they gather."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from costream.engine.page_table import Ints
from costream.engine.plan import SHARED, Keys
from costream.engine.upload import Upload
from costream.engine.view import WHOLE
from costream.models import Rotation

Rotate = Callable[[Tensor], Rotation]
"""Returns what moves keys by distances: ``ModelAdapter.rotation``."""


class KeyView:
    """Keys in the pool that some tokens look at, on the device once an upload has moved them.

    Args:
        keys: rows of the pool, and how far each key is moved.
        rotate: moves keys.
        upload: takes both to the device.
    """

    def __init__(self, keys: Keys, rotate: Rotate, upload: Upload) -> None:
        self._rows = upload.add(keys.rows)
        self._distances = upload.add(keys.distances) if keys.distances.any() else None
        self._rotate = rotate

    @property
    def rows(self) -> Tensor:
        """Rows of the pool: int64 [keys]."""
        return self._rows.tensor

    @cached_property
    def rotation(self) -> Rotation | None:
        """What moves them to where they stand; None where they were all computed there."""
        return None if self._distances is None else self._rotate(self._distances.tensor)


class StreamKeys:
    """The keys of one stream that tokens of a pass look at.

    Args:
        keys: all of the stream's.
        end: how many of them, from the first on, any of the tokens sees. Others are left out.
        rotate: moves keys.
        upload: takes to the device what is needed there.

    Attributes:
        owners: int64 [keys], the question of each key, or SHARED.
        shared: how many from the first on are of no question.
        audience: int64 [keys], see :attr:`~costream.engine.plan.Keys.audience`, or None.
        view: where they are.
    """

    def __init__(self, keys: Keys, end: int, rotate: Rotate, upload: Upload) -> None:
        self.shared = keys.shared
        self.audience = None if keys.audience is None else keys.audience[:end]
        owners = [np.full(self.shared, SHARED), keys.branches]
        self.owners: Ints = np.concatenate(owners)[:end]
        seen = Keys(keys.rows[:end], keys.distances[:end], keys.branches[:0])
        self.view = KeyView(seen, rotate, upload)
        self.on_device = upload.add(self.owners)
        self.audience_on_device = None if self.audience is None else upload.add(self.audience)

    def __len__(self) -> int:
        return len(self.owners)


class StreamTokens:
    """The tokens of one stream in a pass, and what they look at.

    Args:
        begin: the first of them among the tokens of the pass.
        places: int64 [tokens], the place of each among the stream's keys; they grow.
        branches: int64 [tokens], the question of each, or SHARED.
        keys: what they look at.
        upload: takes to the device what is needed there.

    Attributes:
        zones: int64 [tokens], bits that a key's audience has to have one of; None where all are
            shown all.
    """

    def __init__(
        self, begin: int, places: Ints, branches: Ints, keys: StreamKeys, upload: Upload
    ) -> None:
        self.begin = begin
        self.places = places
        self.branches = branches
        self.keys = keys
        self.zones: Ints | None = None
        if keys.audience is not None:
            # Only questions are about zones: the video is computed as if there were none.
            self.zones = np.where(places < keys.shared, WHOLE, keys.audience[places])
        self._on_device = [upload.add(places), upload.add(branches)]
        self._zones_on_device = None if self.zones is None else upload.add(self.zones)

    def __len__(self) -> int:
        return len(self.places)

    def visible(self, begin: int, end: int, keys: int) -> Tensor:
        """Returns which of the first keys some of the tokens see, on the device.

        A token sees the keys up to its own that no other question has, and of these, where it asks
        about a zone, those that are for it.

        Args:
            begin: the first of the tokens, in the stream's own order.
            end: the one behind the last.
            keys: how many keys.

        Returns:
            bool [tokens, keys].
        """
        places, branches = (part.tensor for part in self._on_device)
        order = torch.arange(keys, device=places.device)
        visible = order <= places[begin:end, None]
        if keys > self.keys.shared:
            owner = self.keys.on_device.tensor[self.keys.shared : keys]
            visible[:, self.keys.shared :] &= (owner == SHARED) | (
                owner == branches[begin:end, None]
            )
        if self._zones_on_device is not None and self.keys.audience_on_device is not None:
            zones = self._zones_on_device.tensor[begin:end, None]
            visible &= (self.keys.audience_on_device.tensor[:keys] & zones) != 0
        return visible


class AttentionKernel(ABC):
    """Computes what the tokens of one pass gather, layer by layer."""

    @abstractmethod
    def run(self, layer: int, queries: Tensor, scale: float) -> Tensor:
        """Attends to keys and values of the pool, those of the pass's own tokens among them.

        Args:
            layer: the layer.
            queries: [heads, tokens, head_dim], of all streams of the pass.
            scale: of the scores.

        Returns:
            [tokens, heads, head_dim].
        """


def tokens_of(streams: Sequence[StreamTokens]) -> int:
    """Returns how many tokens the streams of a pass have together."""
    return sum(len(stream) for stream in streams)
