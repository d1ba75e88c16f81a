"""What a window takes, decided before anything is run: frozen, and without a model or a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from costream.engine.cached_patch import CachedPatch
from costream.engine.carry_over import CarryOver
from costream.engine.ingest import WindowInput
from costream.engine.page_table import Ints, PageTable
from costream.engine.schedule import Schedule
from costream.engine.view import GridView
from costream.models import FrameGeometry, Layout, Segment

SHARED = -1
"""Branch of the tokens that every question sees: prompt, video, and how all questions begin."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens that are computed: some of one segment, at its place.

    Attributes:
        segment: the tokens.
        position: position of the segment's start, int64 [axes, 1].
        keys: int64 [tokens], the place of each in the pass's order of keys.
        rows: int64 [tokens], the new rows of the pool that they are computed into; those of visual
            tokens have features.
        branch: the question they belong to, or :data:`SHARED`.
    """

    segment: Segment
    position: Tensor
    keys: Ints
    rows: Ints
    branch: int = SHARED

    @property
    def read(self) -> Ints:
        """Those of its tokens whose last hidden states are read: the one that ends a question."""
        return np.array([] if self.branch == SHARED else [len(self.segment) - 1], np.int64)

    @property
    def visual_rows(self) -> Ints:
        """The rows of visual tokens: int64 [visual tokens]."""
        found: Ints = self.rows[self.segment.visual.numpy()]
        return found

    @property
    def visual_tokens(self) -> int:
        """How many of its tokens are visual."""
        return int(self.segment.visual.sum())


@dataclass(frozen=True, slots=True)
class WindowState:
    """A stream's window once it is computed. Nothing in it ever changes.

    Attributes:
        patches: its temporal patches, in order.
        table: the rows of their tokens.
        carry: what stands for groups that are pruned next.
        position: where the next temporal patch begins.
        index: temporal patches before it since positions began.
        base_tick: the tick at which positions and timestamps began.
    """

    patches: tuple[CachedPatch, ...]
    table: PageTable
    carry: CarryOver
    position: int
    index: int
    base_tick: int = 0

    @property
    def referred(self) -> list[Ints]:
        """The rows that it refers to."""
        return [self.table.rows, self.carry.referred]

    def mapped(self, rows: Callable[[Ints], Ints]) -> WindowState:
        """Returns the window with other rows in the place of those that it refers to."""
        table, carry = self.table, self.carry
        known = carry.known.numpy()
        return replace(
            self,
            table=PageTable(table.first, rows(table.rows), table.distances),
            carry=carry.moved(known, rows(carry.referred), carry.positions[known]),
        )


@dataclass(frozen=True, slots=True)
class Keys:
    """All that the tokens of a pass may look at, in order: prompt, window, questions.

    Attributes:
        rows: int64 [keys], rows of the pool.
        distances: int64 [keys], positions that each key is moved by.
        branches: int64 [keys of questions], the branch of each of the last ones.
        audience: int64 [keys], bits: the zones, in the order of the questions', whose questions see
            the key. Those about the whole picture, the first bit, see all of prompt and window; a
            key of a question has the one bit of its zone. None where none is about a zone.
    """

    rows: Ints
    distances: Ints
    branches: Ints
    audience: Ints | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shared(self) -> int:
        """How many from the first on are of no question."""
        return len(self.rows) - len(self.branches)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What every window begins with. All streams share its rows.

    Attributes:
        segment: its tokens.
        rows: int64 [tokens], their rows, computed at the positions from 0 on.
    """

    segment: Segment
    rows: Ints

    @property
    def tokens(self) -> int:
        """Its length."""
        return len(self.segment)


@dataclass(frozen=True, slots=True)
class Stream:
    """What is the same for all windows of a stream.

    Attributes:
        key: tells the streams of an engine apart.
        layout: lays out its tokens.
        geometry: how its pictures are cut.
        schedule: window and stride.
        prompt: what every window begins with.
        hold: whether groups that are pruned are carried over.
        limit: position after which positions begin again.
        view: masks and zones on its groups.
    """

    key: int
    layout: Layout
    geometry: FrameGeometry
    schedule: Schedule
    prompt: Prompt
    hold: bool
    limit: int
    view: GridView

    @property
    def groups(self) -> int:
        """Merge groups of a whole frame, masked ones among them."""
        return self.geometry.grid.groups


@dataclass(frozen=True, slots=True)
class Plan:
    """The next window of one stream.

    Attributes:
        stream: whose window it is.
        window: the window and what is new in it, as ingest handed it over.
        state: the stream's window once this is run.
        encode: for each new temporal patch the rows of its kept groups, int64 [kept].
        pieces: what the language model computes, in the order of keys; the questions last.
        keys: what that looks at.
        asked: how many questions there are.
        taken: rows that this plan took from the pool, those of the questions among them.
        text_start: position at which questions begin, int64 [axes, 1].
        referring: new tokens that refer to rows of others instead of being computed.
        rebased: whether positions begin again with this window, and all its rows are computed.
    """

    stream: Stream
    window: WindowInput
    state: WindowState
    encode: tuple[Ints, ...]
    pieces: tuple[Piece, ...]
    keys: Keys
    asked: int
    taken: Ints
    text_start: Tensor
    referring: int
    rebased: bool

    @property
    def tokens(self) -> int:
        """Tokens that the language model computes."""
        return sum(len(piece.segment) for piece in self.pieces)

    @property
    def patches(self) -> int:
        """Merge groups that the vision encoder computes."""
        return sum(frame.keep.kept for frame in self.window.frames)


@dataclass(frozen=True, slots=True)
class Survey:
    """Tokens that are computed for a look at their fresh keys, and nothing more.

    Attributes:
        pieces: the tokens; their rows are those that they are compared with.
        keys: what they look at.
    """

    pieces: tuple[Piece, ...]
    keys: Keys


def take(segment: Segment, chosen: npt.NDArray[np.bool_]) -> Segment:
    """Returns some tokens of a segment, at its place: bool [tokens]."""
    mask = torch.from_numpy(chosen)
    return Segment(
        segment.ids[mask], segment.visual[mask], segment.positions[:, mask], segment.span
    )


def concatenate(arrays: Sequence[Ints]) -> Ints:
    """Joins arrays of integers, of which there may be none."""
    return np.concatenate([np.empty(0, np.int64), *arrays])
