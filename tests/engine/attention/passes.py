"""Passes over a pool of random numbers, and what is gathered in them, written out pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from costream.engine.attention.kernel import StreamKeys, StreamTokens
from costream.engine.kv_pool import KVPool
from costream.engine.plan import SHARED, Keys
from costream.engine.upload import Upload
from costream.models import KVShape, Rotation

HEADS, KV_HEADS, WIDTH = 4, 2, 8
SCALE = 0.3
CPU = torch.device("cpu")
FREQUENCIES = torch.linspace(1.0, 0.05, WIDTH // 2)


@dataclass
class Case:
    """One stream: the keys of its window and of its questions, and the tokens of the pass."""

    keys: Keys
    places: np.ndarray
    branches: np.ndarray

    @property
    def owners(self) -> np.ndarray:
        return np.concatenate([np.full(len(self.keys) - len(self.keys.branches), SHARED),
                               self.keys.branches])  # fmt: skip


def pool_of(rows: int, seed: int = 0) -> KVPool:
    shape = KVShape(2, KV_HEADS, WIDTH, hidden=4, deepstack=0, dtype=torch.float32, device=CPU)
    pool, generator = KVPool(shape, rows), torch.Generator().manual_seed(seed)
    for layer in range(shape.layers):
        keys, values = torch.randn(2, KV_HEADS, rows, WIDTH, generator=generator)
        pool.write(layer, torch.arange(rows), keys, values)
    return pool


def all_of(pool: KVPool, rows: int) -> list[Tensor]:
    """Keys and values of all layers, as they are."""
    layers = range(pool.shape.layers)
    return [part.clone() for n in layers for part in pool.gather(n, torch.arange(rows), None)]


def case_of(
    rng: np.random.Generator, rows: int, window: int, asks: int, share: float, zones: int = 0
) -> Case:
    """A window of which a share is computed, with questions of three tokens each behind it.

    Where there are zones, questions are about any of them or none, and what those about one have
    in common, of two tokens, comes first.
    """
    branches, audience = np.repeat(np.arange(asks), 3), None
    if zones:
        about = np.arange(zones + 1)
        branches = np.concatenate([np.full(2 * len(about), SHARED), branches])
        numbers = np.concatenate(
            [np.repeat(about, 2), np.repeat(rng.integers(0, zones + 1, asks), 3)]
        )
        seen = rng.integers(0, 1 << (zones + 1), window) | 1
        audience = np.concatenate([seen, np.int64(1) << numbers])
    total = window + len(branches)
    distances = np.where(rng.random(total) < 0.5, rng.integers(0, 50, total), 0)
    chosen = rng.random(total) < share
    chosen[-1] = True
    keys = Keys(rng.integers(0, rows, total), distances, branches, audience)
    owners = np.concatenate([np.full(window, SHARED), branches])
    return Case(keys, chosen.nonzero()[0], owners[chosen])


def rotate(distances: Tensor) -> Rotation:
    return Rotation.by(distances, FREQUENCIES)


def streams_of(cases: Sequence[Case]) -> tuple[list[StreamTokens], Upload]:
    upload, streams, begin = Upload(CPU), [], 0
    for case in cases:
        keys = StreamKeys(case.keys, int(case.places[-1]) + 1, rotate, upload)
        streams.append(StreamTokens(begin, case.places, case.branches, keys, upload))
        begin += len(case.places)
    return streams, upload


def queries_of(cases: Sequence[Case], seed: int = 1) -> Tensor:
    tokens = sum(len(case.places) for case in cases)
    return torch.randn(HEADS, tokens, WIDTH, generator=torch.Generator().manual_seed(seed))


def visible(case: Case) -> np.ndarray:
    """Which keys of its stream each token sees: bool [tokens, keys]."""
    order, owners = np.arange(len(case.keys)), case.owners
    mine = (owners[None] == SHARED) | (owners[None] == case.branches[:, None])
    found = mine & (order[None] <= case.places[:, None])
    if case.keys.audience is None:
        return found
    own = case.keys.audience[case.places]
    zone = np.where(case.places < case.keys.shared, 1, own)
    return found & (case.keys.audience[None] & zone[:, None] != 0)


def gathered(pool: KVPool, cases: Sequence[Case], queries: Tensor, layer: int) -> Tensor:
    """What tokens gather, one by one, with heads of keys repeated: [tokens, heads, width]."""
    found, begin = [], 0
    for case in cases:
        keys, values = (
            part.repeat_interleave(HEADS // KV_HEADS, dim=0)
            for part in pool.gather(
                layer, torch.from_numpy(case.keys.rows),
                rotate(torch.from_numpy(case.keys.distances)),
            )
        )  # fmt: skip
        for n, seen in enumerate(visible(case)):
            mask = torch.from_numpy(seen)
            scores = (keys[:, mask] @ queries[:, begin + n, :, None])[..., 0] * SCALE
            found.append((scores.softmax(-1)[:, None] @ values[:, mask])[:, 0])
        begin += len(case.places)
    return torch.stack(found)
