"""A plan in the making: lays the tokens of a window out, and takes rows for those to compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from costream.engine.cached_patch import CachedPatch
from costream.engine.carry_over import NOWHERE, CarryOver
from costream.engine.feature_pages import NO_SLOT
from costream.engine.ingest import FrameInput, WindowInput
from costream.engine.kv_pool import KVPool
from costream.engine.overlap import Overlap
from costream.engine.page_table import Ints, PageTable
from costream.engine.plan import Keys, Piece, Plan, Stream, WindowState, concatenate, take
from costream.engine.questions import Questions
from costream.engine.view import EVERYBODY
from costream.models import Timestamp

Mask = npt.NDArray[np.bool_]

Slots = Callable[[Ints], Ints]
"""Names the slot of features that each of some rows has: see :meth:`KVPool.slots`."""


class Draft:
    """Plans one window: the overlap first, then what is new, then the questions.

    Args:
        stream: what is the same for all windows of the stream.
        pool: where rows are taken.
        before: the stream's window as it was.
        overlap: what of it the next window shares.
        rebase: whether positions begin again.
        exact: whether groups that are carried over are computed as well.
        slots: names the slots of features of rows of the window before, where the pool doesn't
            know them any more: int64 [rows] to int64 [rows].
        start: the window's first tick.
    """

    def __init__(
        self,
        stream: Stream,
        pool: KVPool,
        before: WindowState,
        overlap: Overlap,
        *,
        rebase: bool,
        exact: bool,
        slots: Slots | None = None,
        start: int = 0,
    ) -> None:
        self._stream = stream
        self._pool = pool
        self._before = before
        self._overlap = overlap
        self._rebase = rebase
        self._exact = exact
        self._slots_before = slots or pool.slots
        self._start = start
        self.taken: list[Ints] = []
        self._pieces: list[Piece] = []
        self._encode: list[Ints] = []
        self._referring = 0
        self._patches: list[CachedPatch] = [] if rebase else list(overlap.patches)
        self._table = PageTable(before.table.end) if rebase else overlap.table
        self._carry = CarryOver.nothing(stream.groups) if rebase else before.carry
        self._position = stream.prompt.tokens if rebase else before.position
        self._index = 0 if rebase else before.index
        self._base = before.base_tick

    def begin_again(self, tick: int) -> None:
        """Lays the overlap out from the first position on, and recomputes all its rows.

        The first token of a group whose row belongs to a frame that has left the window gets a row
        of its own. Tokens that are carried over refer to the new rows.

        Args:
            tick: tick of the window's first temporal patch, at which time begins.
        """
        self._base = tick
        for patch in self._overlap.patches:
            features = np.full(self._stream.groups, NO_SLOT)
            if patch.segment is not None:
                rows, _ = self._overlap.table.entries(patch.slot, patch.tokens)
                visual = rows[patch.segment.visual.numpy()]
                features[patch.shown.numpy()] = self._slots_before(visual)
            self._place(patch, features)

    def refresh(self, chosen: Tensor, *, lead: bool) -> None:
        """Recomputes tokens of the overlap where they are.

        Args:
            chosen: bool [tokens of the overlap].
            lead: those behind them that referred to the same row refer to the new one.
        """
        mask, before = chosen.cpu().numpy(), self._table
        shown = [patch for patch in self._patches if patch.segment is not None]
        for patch in shown:
            begin = patch.slot - self._table.first
            part = mask[begin : begin + patch.tokens]
            if part.any():
                rows, distances = self._table.entries(patch.slot, patch.tokens)
                self._table = self._table.replaced(
                    patch.slot, *self._compute(patch, part, rows, distances, self._pool.slots(rows))
                )
        if shown and mask.any():
            if lead:
                self._table = self._table.following(before, mask)
            self._follow(shown[-1])

    def arrive(self, frame: FrameInput) -> None:
        """Appends a new temporal patch."""
        kept = frame.keep.groups.reshape(-1)
        # Rows of this window first: what stood before it serves where nothing here does.
        before, known = self._before.carry.rows, self._carry.rows != NOWHERE
        features = np.full(len(kept), NO_SLOT)
        features[before != NOWHERE] = self._slots_before(before[before != NOWHERE])
        features[known] = self._pool.slots(self._carry.rows[known])
        carried = (features != NO_SLOT) & ~kept & self._stream.hold
        features[kept] = NO_SLOT
        patch = CachedPatch(
            frame.ticks,
            frame.frames,
            frame.keep,
            torch.from_numpy(carried),
            frame.encoded,
            frame.damaged,
        )
        patch = self._place(patch, features)
        if patch.segment is None:
            self._encode.append(np.empty(0, np.int64))
        else:
            rows, _ = self._table.entries(patch.slot, patch.tokens)
            self._encode.append(rows[patch.segment.visual.numpy()][kept[patch.shown.numpy()]])

    def finish(self, window: WindowInput, questions: Questions) -> Plan:
        """Appends the questions and returns the plan."""
        table, prompt = self._table, self._stream.prompt
        rows = self._ask(questions)
        first = self._patches[0].position if self._patches else self._position
        keys = Keys(
            np.concatenate([prompt.rows, table.rows, rows]),
            np.concatenate(
                [
                    np.full(prompt.tokens, first - prompt.tokens),
                    table.distances,
                    np.zeros(len(rows), np.int64),
                ]
            ),
            questions.branches,
            self._audience(questions),
        )
        state = WindowState(
            tuple(self._patches), table, self._carry, self._position, self._index, self._base
        )
        return Plan(
            stream=self._stream,
            window=window,
            state=state,
            encode=tuple(self._encode),
            pieces=tuple(self._pieces),
            keys=keys,
            asked=len(questions.asks),
            taken=concatenate(self.taken),
            text_start=self._text_start(),
            referring=self._referring,
            rebased=self._rebase,
        )

    def _text_start(self) -> Tensor:
        """Returns where questions begin: int64 [axes, 1]."""
        end, patches = self._position, self._patches
        first, last = (patches[0].position, patches[-1].position) if patches else (end, end)
        return self._stream.layout.text_start(first, last, end, self._stream.geometry)

    def _place(self, patch: CachedPatch, features: Ints) -> CachedPatch:
        """Lays a temporal patch out behind the others, and returns it at its place.

        Args:
            patch: the patch, wherever it was.
            features: int64 [groups], the slot that has a group's features; NO_SLOT for those that
                this plan encodes.
        """
        shown = patch.shown
        # The segment is laid out even where everything was pruned: its span keeps the distances
        # between the frames around it what they are in the unpruned video.
        segment = self._stream.layout.frame(
            self._timestamp(patch.ticks), shown, self._stream.geometry
        )
        visual_tokens = int(shown.sum())
        patch = replace(
            patch,
            segment=segment if visual_tokens else None,
            label_tokens=len(segment) - visual_tokens,
            position=self._position,
            slot=self._table.end,
        )
        self._index += 1
        self._position += segment.span
        self._patches.append(patch)
        if visual_tokens:
            self._fill(patch, features)
        return patch

    def _fill(self, patch: CachedPatch, features: Ints) -> None:
        """Gives the tokens of a patch their rows: new ones, or those that they refer to."""
        assert patch.segment is not None
        groups, visual = patch.shown.numpy().nonzero()[0], patch.segment.visual.numpy()
        refers = patch.carried.numpy()[groups] & (self._carry.rows[groups] != NOWHERE)
        refers &= not self._exact
        self._referring += int(refers.sum())
        computed = np.ones(len(visual), np.bool_)
        computed[visual] = ~refers
        rows, distances, slots = np.full((3, len(visual)), NOWHERE)
        rows[visual] = self._carry.rows[groups]
        distances[visual] = _along(patch) - self._carry.positions[groups]
        slots[visual] = features[groups]
        table = self._table
        rows, distances = self._compute(patch, computed, rows, distances, slots)
        self._table = table.appended(rows, distances)
        self._follow(patch)

    def _compute(
        self, patch: CachedPatch, computed: Mask, rows: Ints, distances: Ints, slots: Ints
    ) -> tuple[Ints, Ints]:
        """Takes rows for some tokens of a patch; returns the patch's rows and distances.

        Args:
            patch: the patch, at its place.
            computed: bool [tokens].
            rows: int64 [tokens], of the others.
            distances: int64 [tokens], of the others.
            slots: int64 [tokens], those with the features of visual tokens, or NO_SLOT.
        """
        assert patch.segment is not None
        new = self._take(int(computed.sum()))
        rows, distances = rows.copy(), distances.copy()
        rows[computed], distances[computed] = new, 0
        visual = computed & patch.segment.visual.numpy()
        known = slots != NO_SLOT
        self._pool.attach(rows[visual & ~known])
        self._pool.bind(rows[visual & known], slots[visual & known])
        place = self._stream.prompt.tokens + patch.slot - self._table.first
        self._pieces.append(
            Piece(
                take(patch.segment, computed),
                self._stream.layout.start(patch.position),
                place + computed.nonzero()[0],
                new,
            )
        )
        return rows, distances

    def _follow(self, patch: CachedPatch) -> None:
        """Lets what is pruned next refer to the rows that a patch refers to."""
        if not self._stream.hold:
            return
        assert patch.segment is not None
        rows, distances = self._table.entries(patch.slot, patch.tokens)
        visual = patch.segment.visual.numpy()
        positions = _along(patch) - distances[visual]
        self._carry = self._carry.moved(patch.shown.numpy(), rows[visual], positions)

    def _ask(self, questions: Questions) -> Ints:
        """Lays the questions out behind the window; returns their rows: int64 [tokens]."""
        rows, start = self._take(questions.tokens), self._text_start()
        place, done = self._stream.prompt.tokens + len(self._table.rows), 0
        for branch, segment in questions.pieces:
            here = done + np.arange(len(segment))
            self._pieces.append(Piece(segment, start, place + here, rows[here], branch))
            done += len(segment)
        return rows

    def _audience(self, questions: Questions) -> Ints | None:
        """Returns which zones' questions see each key: see :attr:`Keys.audience`."""
        if questions.audience is None:
            return None
        prompt = self._stream.prompt.tokens
        bits = self._stream.view.audience(questions.zones)
        # The tokens beside visual ones, such as a frame's time, have gathered the whole picture:
        # they are in the zones that hold all of it.
        beside = np.bitwise_and.reduce(bits[~self._stream.view.masked])
        found = np.full(prompt + len(self._table.rows), beside)
        found[:prompt] = EVERYBODY
        for patch in self._patches:
            if patch.segment is not None:
                begin = prompt + patch.slot - self._table.first
                places = begin + patch.segment.visual.numpy().nonzero()[0]
                found[places] = bits[patch.shown.numpy()]
        return concatenate([found, questions.audience])

    def _take(self, rows: int) -> Ints:
        taken = self._pool.allocate(rows)
        self._pool.contexts[taken] = self._start
        self.taken.append(taken)
        return taken

    def _timestamp(self, ticks: tuple[int, int]) -> Timestamp:
        schedule = self._stream.schedule
        time = (sum(ticks) / 2 - self._base) / schedule.fps
        return Timestamp(self._index, time, schedule.patch / schedule.fps)


def _along(patch: CachedPatch) -> Ints:
    """Where visual tokens stand on the first axis, along which the stream goes: [visual tokens]."""
    assert patch.segment is not None
    along: Ints = (patch.segment.positions[0] + patch.position)[patch.segment.visual].numpy()
    return along
