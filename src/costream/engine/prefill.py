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

from costream.engine.probe import CHECK_LAYER, KeyProbe, Probed
from costream.engine.store import Copies, KVStore, StoreView
from costream.models import KVCache, ModelAdapter, Segment, VisualTokens

SHARED = -1
"""Branch of the tokens that every question sees: prompt and video."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment at its place in the window.

    Attributes:
        segment: its tokens.
        visual: the features of its visual tokens.
        position: position of its start in the epoch, int64 [axes, 1].
        slots: int64 [tokens], in order.
        branch: the question it belongs to, or :data:`SHARED`.
        copies: slots beside those of its tokens that are filled from others, or None.
    """

    segment: Segment
    visual: VisualTokens | None
    position: Tensor
    slots: Tensor
    branch: int = SHARED
    copies: Copies | None = None

    @property
    def visual_tokens(self) -> int:
        """How many of its tokens are visual."""
        return int(self.segment.visual.sum())

    def take(self, chosen: Tensor) -> Piece:
        """Returns the piece of some of its tokens: bool [tokens]."""
        segment, visual = self.segment, self.visual
        if visual is not None:
            visual = visual.take(chosen[segment.visual])
        part = Segment(
            segment.ids[chosen],
            segment.visual[chosen],
            segment.positions[:, chosen],
            segment.span,
        )
        return Piece(part, visual, self.position, self.slots[chosen], self.branch)


def run_of(slot: int, tokens: int) -> Tensor:
    """Returns consecutive slots from ``slot`` on: int64 [tokens]."""
    return torch.arange(slot, slot + tokens)


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

    @torch.inference_mode()
    def run(self, pieces: Sequence[Piece], branches: Tensor) -> Tensor:
        """Computes the pieces' keys and values into the store.

        Args:
            pieces: in slot order.
            branches: int64 [scratch slots], the branch of each slot behind the window.

        Returns:
            The last hidden states, [tokens, hidden], in the order of the pieces.
        """
        return torch.cat([self._compute(chunk, branches) for chunk in self._chunks(pieces)])

    @torch.inference_mode()
    def deviations(self, pieces: Sequence[Piece]) -> Tensor:
        """Compares the pieces' keys at the check layer with those in the store, which stays as is.

        Args:
            pieces: shared ones, computed before, in slot order.

        Returns:
            The squared distance of each token's fresh key from its stored one: [tokens]. It is
            zero for a model without a check layer, whose stored keys are exact.
        """
        return torch.cat([self._look(chunk) for chunk in self._chunks(pieces)])

    @torch.inference_mode()
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

    def _compute(self, pieces: list[Piece], branches: Tensor) -> Tensor:
        store = self._store
        slots = torch.cat([piece.slots for piece in pieces])
        self._meter.add(self._model.text_flops(len(slots), store.end - store.first, logits=0))
        copies = [self._placed_copies(piece.copies) for piece in pieces if piece.copies]
        view = StoreView(store, self._placed(slots), copies, self._model.move_keys)
        return self._forward(pieces, branches, view)

    def _look(self, pieces: list[Piece]) -> Tensor:
        slots = torch.cat([piece.slots for piece in pieces])
        self._meter.add(self._look_flops(pieces[0], len(slots)))
        no_branch = torch.empty(0, dtype=torch.int64)
        try:
            self._forward(pieces, no_branch, KeyProbe(self._store, self._placed(slots)))
        except Probed as end:
            return end.deviations
        return torch.zeros(len(slots), device=self._model.kv_shape.device)

    def _look_flops(self, first: Piece, tokens: int) -> int:
        """The layers before the check layer, and that layer's projections to keys and values."""
        shape, store = self._model.kv_shape, self._store
        layers = self._model.text_flops(tokens, store.end - store.first, logits=0)
        hidden = self._model.embed(first.segment, first.visual).shape[1]
        projections = 2 * 2 * tokens * hidden * shape.kv_heads * shape.head_dim
        return layers * CHECK_LAYER // shape.layers + projections

    def _forward(self, pieces: list[Piece], branches: Tensor, cache: KVCache) -> Tensor:
        model = self._model
        embeds = torch.cat([model.embed(p.segment, p.visual) for p in pieces])
        visual = torch.cat([p.segment.visual for p in pieces])
        positions = torch.cat([p.segment.positions + p.position for p in pieces], dim=1)
        slots = torch.cat([piece.slots for piece in pieces])
        owners = torch.cat([torch.full((len(p.segment),), p.branch) for p in pieces])
        return model.forward(
            embeds,
            self._placed(positions),
            self._placed(visual),
            self._deepstack(pieces),
            self._placed(self._mask(slots, owners, branches)),
            cache,
        )

    def _placed_copies(self, copies: Copies) -> Copies:
        parts = copies.slots, copies.sources, copies.distances
        return Copies(*map(self._placed, parts))

    def _placed(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._model.kv_shape.device)

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
