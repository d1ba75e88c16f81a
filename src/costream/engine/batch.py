"""Plans of several streams, packed: one pass of the language model computes tokens of all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from costream.engine.kv_pool import KVPool
from costream.engine.page_table import Ints
from costream.engine.plan import Keys, Piece, Plan, concatenate
from costream.engine.upload import Upload
from costream.models import Segment, VisualTokens


@dataclass(frozen=True, slots=True)
class StreamPieces:
    """What of one stream is in a pass.

    Attributes:
        keys: what its tokens look at.
        pieces: its tokens, in the order of keys.
    """

    keys: Keys
    pieces: tuple[Piece, ...]

    @property
    def places(self) -> Ints:
        """The place of each token among the stream's keys: int64 [tokens]."""
        return concatenate([piece.keys for piece in self.pieces])

    @property
    def branches(self) -> Ints:
        """The question of each token, or SHARED: int64 [tokens]."""
        return concatenate([np.full(len(p.segment), p.branch) for p in self.pieces])

    @property
    def read(self) -> Ints:
        """Those of its tokens whose last hidden states are read: int64 [read]."""
        lengths = [len(piece.segment) for piece in self.pieces]
        return concatenate(offset([piece.read for piece in self.pieces], lengths))

    @property
    def tokens(self) -> int:
        """How many there are."""
        return sum(len(piece.segment) for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Pass:
    """Tokens that go through the language model together.

    Attributes:
        streams: what of each stream there is.
    """

    streams: tuple[StreamPieces, ...]

    @property
    def pieces(self) -> list[Piece]:
        """The pieces of all streams, in order."""
        return [piece for stream in self.streams for piece in stream.pieces]

    @property
    def ids(self) -> Tensor:
        """Token numbers: int64 [tokens]."""
        return torch.cat([piece.segment.ids for piece in self.pieces])

    @property
    def visual(self) -> Tensor:
        """Which tokens are visual: bool [tokens]."""
        return torch.cat([piece.segment.visual for piece in self.pieces])

    @property
    def positions(self) -> Tensor:
        """Where they stand: int64 [axes, tokens]."""
        return torch.cat([p.segment.positions + p.position for p in self.pieces], dim=1)

    @property
    def read(self) -> Ints:
        """Those whose last hidden states are read: int64 [read]."""
        streams = self.streams
        return concatenate(offset([s.read for s in streams], [s.tokens for s in streams]))

    @property
    def rows(self) -> Ints:
        """The rows that they are computed into: int64 [tokens]."""
        return concatenate([piece.rows for piece in self.pieces])

    @property
    def visual_rows(self) -> Ints:
        """The rows of visual tokens, which have their features: int64 [visual tokens]."""
        return concatenate([piece.visual_rows for piece in self.pieces])


class SegmentTensors:
    """A segment for the device, once an upload has moved it there.

    Args:
        segment: on the host.
        upload: takes it along.
    """

    def __init__(self, segment: Segment, upload: Upload) -> None:
        self._ids = upload.add(segment.ids.numpy())
        visual = segment.visual.numpy()
        self._visual = upload.add(visual.astype(np.int64))
        self._visual_at = upload.add(visual.nonzero()[0])
        self._positions = upload.add(segment.positions.numpy().reshape(-1))
        self._axes = len(segment.positions)

    @property
    def visual_at(self) -> Tensor:
        """Which of its tokens are visual: int64 [visual tokens]."""
        return self._visual_at.tensor

    @property
    def segment(self) -> Segment:
        """The segment on the device, at its place."""
        positions = self._positions.tensor.view(self._axes, -1)
        return Segment(self._ids.tensor, self._visual.tensor.bool(), positions, span=0)


class PassTensors:
    """A pass for the device, once an upload has moved it there.

    Args:
        part: the pass.
        pool: has the features of its visual tokens.
        upload: takes along what of it the device needs.

    Attributes:
        tokens: its tokens and where they stand.
        rows: the rows that they are computed into.
        read: those whose last hidden states are read.
        features: where the pool has the features of its visual tokens; None where it has none.
    """

    def __init__(self, part: Pass, pool: KVPool, upload: Upload) -> None:
        visual = part.visual_rows
        self.tokens = SegmentTensors(Segment(part.ids, part.visual, part.positions, 0), upload)
        self.rows = upload.add(part.rows)
        self.read = upload.add(part.read)
        self.features = upload.add(pool.units(visual)) if len(visual) else None


class Batch:
    """The windows that are run together.

    Args:
        plans: one a stream at most.
        encoded: for each plan the features of its new patches, where these were encoded for
            planning already.
    """

    def __init__(
        self, plans: Sequence[Plan], encoded: Sequence[list[VisualTokens] | None] | None = None
    ) -> None:
        self.plans = tuple(plans)
        self.encoded = tuple(encoded or [None] * len(plans))

    def passes(self, limit: int) -> Iterator[Pass]:
        """Yields passes of about as many tokens as ``limit``. Pieces are not cut.

        Cutting between pieces is exact: a token depends only on keys before its own, and those are
        final in all layers once an earlier pass has been run.
        """
        return passes_of([(plan.keys, plan.pieces) for plan in self.plans], limit)

    @property
    def encode(self) -> Ints:
        """The rows of what is new in all windows: int64 [kept groups]."""
        return concatenate([rows for plan in self.plans for rows in plan.encode])


def offset(indices: Iterable[Ints], lengths: Iterable[int]) -> list[Ints]:
    """Counts the indices of parts from the first part's beginning on, given the parts' lengths."""
    begins = accumulate(lengths, initial=0)
    return [part + begin for part, begin in zip(indices, begins, strict=False)]


def passes_of(streams: Sequence[tuple[Keys, Sequence[Piece]]], limit: int) -> Iterator[Pass]:
    """Yields passes over the pieces of streams: see :meth:`Batch.passes`."""
    waiting: list[StreamPieces] = []
    tokens = 0
    for keys, pieces in streams:
        taken: list[Piece] = []
        for piece in pieces:
            if tokens >= limit:
                rest = [StreamPieces(keys, tuple(taken))] if taken else []
                yield Pass((*waiting, *rest))
                waiting, taken, tokens = [], [], 0
            taken.append(piece)
            tokens += len(piece.segment)
        if taken:
            waiting.append(StreamPieces(keys, tuple(taken)))
    if waiting:
        yield Pass(tuple(waiting))
