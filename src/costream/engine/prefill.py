"""One selective pass of the language model: chosen tokens of a window, and its questions.

The tokens of a pass are a subset of the window's slots, in slot order. Their fresh keys are
scattered into those slots, and each token looks at every slot up to its own: what is not
recomputed is found there as it was. Where nothing was reused, this is a plain causal prefill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from costream.engine.store import KVStore, StoreView
from costream.models import ModelAdapter, Segment, VisualTokens

SHARED = -1
"""Branch of the tokens that every question sees: prompt and video."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment at its place in the window.

    Attributes:
        segment: its tokens.
        visual: the features of its visual tokens.
        position: position of its start in the epoch, int64 [axes, 1].
        slot: slot of its first token.
        branch: the question it belongs to, or :data:`SHARED`.
    """

    segment: Segment
    visual: VisualTokens | None
    position: Tensor
    slot: int
    branch: int = SHARED


class FlopMeter:
    """Adds up what the stages of one window spend."""

    def __init__(self) -> None:
        self._spent = 0

    def add(self, flops: int) -> None:
        """Adds floating point operations."""
        self._spent += flops

    def take(self) -> int:
        """Returns what was spent since the last call."""
        spent, self._spent = self._spent, 0
        return spent


class Prefill:
    """Runs pieces of a window through the language model.

    Args:
        model: the model.
        store: the stream's store.
        chunk: most tokens run at a time. Pieces are not cut, so a long one may exceed it.
        meter: counts what is spent.
    """

    def __init__(self, model: ModelAdapter, store: KVStore, chunk: int, meter: FlopMeter) -> None:
        self._model = model
        self._store = store
        self._chunk = chunk
        self._meter = meter

    def run(self, pieces: Sequence[Piece], branches: Tensor) -> Tensor:
        """Computes the pieces' keys and values into the store.

        Args:
            pieces: in slot order.
            branches: int64 [scratch slots], the branch of each slot behind the window.

        Returns:
            The last hidden states, [tokens, hidden], in the order of the pieces.
        """
        return torch.cat([self._forward(chunk, branches) for chunk in self._chunks(pieces)])

    def logits(self, hidden: Tensor) -> Tensor:
        """Returns the logits of hidden states: [tokens, vocabulary]."""
        self._meter.add(self._model.text_flops(0, 0, logits=len(hidden)))
        return self._model.logits(hidden)

    def _chunks(self, pieces: Sequence[Piece]) -> list[list[Piece]]:
        # Cutting between pieces is exact: a token depends only on slots before its own, and those
        # are final in all layers once an earlier chunk has run.
        chunks: list[list[Piece]] = [[]]
        for piece in pieces:
            if chunks[-1] and sum(len(p.segment) for p in chunks[-1]) >= self._chunk:
                chunks.append([])
            chunks[-1].append(piece)
        return chunks

    def _forward(self, pieces: list[Piece], branches: Tensor) -> Tensor:
        model, store, device = self._model, self._store, self._model.kv_shape.device
        embeds = torch.cat([model.embed(p.segment, p.visual) for p in pieces])
        visual = torch.cat([p.segment.visual for p in pieces]).to(device)
        positions = torch.cat([p.segment.positions + p.position for p in pieces], dim=1)
        slots = torch.cat([torch.arange(p.slot, p.slot + len(p.segment)) for p in pieces])
        owners = torch.cat([torch.full((len(p.segment),), p.branch) for p in pieces])
        self._meter.add(model.text_flops(len(slots), store.end - store.first, logits=0))
        return model.forward(
            embeds,
            positions.to(device),
            visual,
            self._deepstack(pieces),
            self._mask(slots, owners, branches).to(device),
            StoreView(store, slots.to(device)),
        )

    def _deepstack(self, pieces: list[Piece]) -> Tensor | None:
        features = [p.visual.deepstack for p in pieces if p.visual is not None]
        return torch.cat(features, dim=1) if features else None

    def _mask(self, slots: Tensor, owners: Tensor, branches: Tensor) -> Tensor:
        """Causal by slot, and questions don't see each other: bool [queries, keys]."""
        keys = torch.arange(self._store.first, self._store.end)
        key_owners = torch.full_like(keys, SHARED)
        if len(branches):
            key_owners[-len(branches) :] = branches
        earlier = keys[None] <= slots[:, None]
        mine = (key_owners[None] == SHARED) | (key_owners[None] == owners[:, None])
        return earlier & mine
