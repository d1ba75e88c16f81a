"""The state of one watched stream: what its window holds, and how the next one is planned.

It knows no weights and no device. Positions and timestamps only grow along a stream, so that
nothing that was computed has to be written again when the window slides; now and then they begin
again (a *rebase*), and then all rows are recomputed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import Tensor

from costream.engine.cached_patch import check_layout
from costream.engine.carry_over import CarryOver
from costream.engine.draft import Draft
from costream.engine.ingest import WindowInput
from costream.engine.kv_pool import HostRows, KVPool
from costream.engine.overlap import Overlap
from costream.engine.page_table import Ints, PageTable
from costream.engine.plan import Keys, Piece, Plan, Stream, Survey, WindowState
from costream.engine.questions import Questions
from costream.errors import PoolExhaustedError

Select = Callable[[Overlap], Tensor]
"""Names the tokens of an overlap to recompute: bool [tokens of the overlap]."""


class StreamState:
    """A stream's window, and the references that it holds on rows of the pool.

    Args:
        stream: what is the same for all of its windows.
        pool: the pool.
    """

    def __init__(self, stream: Stream, pool: KVPool) -> None:
        self.stream = stream
        self._pool = pool
        self.window = WindowState(
            (), PageTable(), CarryOver.nothing(stream.groups), stream.prompt.tokens, 0
        )
        self.rebase_next = False
        """Whether positions begin again with the next window, whatever it is."""
        # Where the pool has no rows of the window, its numbers of rows are places in one of these:
        # in what was saved on the host, or among slots of features that were kept.
        self._saved: HostRows | None = None
        self._kept: Ints | None = None
        self._retired: int | None = None

    @property
    def full_tokens(self) -> int:
        """Tokens of prompt and window if nothing were pruned; masks are no pruning."""
        patches = self.window.patches
        labels = sum(patch.label_tokens for patch in patches)
        return self.stream.prompt.tokens + labels + len(patches) * self.stream.view.groups

    @property
    def rows(self) -> int:
        """Rows of the pool that it refers to."""
        return len(np.unique(np.concatenate(self.window.referred)))

    def rebases(self, window: WindowInput) -> bool:
        """Whether positions begin again with a window."""
        grown = self.window.position > self.stream.limit
        return self.rebase_next or grown or not self._since(window.start).patches

    def survey(self, window: WindowInput) -> Survey:
        """Returns the overlap with a window as tokens to compute, for a look at fresh keys."""
        overlap, stream = self._since(window.start), self.stream
        patches = [patch for patch in overlap.patches if patch.segment is not None]
        first = overlap.patches[0].position if overlap.patches else self.window.position
        moved = np.full(stream.prompt.tokens, first - stream.prompt.tokens)
        pieces = []
        for patch in patches:
            assert patch.segment is not None
            rows, _ = overlap.table.entries(patch.slot, patch.tokens)
            begin = stream.prompt.tokens + patch.slot - overlap.table.first
            pieces.append(
                Piece(
                    patch.segment,
                    stream.layout.start(patch.position),
                    np.arange(begin, begin + patch.tokens),
                    rows,
                )
            )
        keys = Keys(
            np.concatenate([stream.prompt.rows, overlap.table.rows]),
            np.concatenate([moved, overlap.table.distances]),
            np.empty(0, np.int64),
        )
        return Survey(tuple(pieces), keys)

    def plan(
        self,
        window: WindowInput,
        questions: Questions,
        select: Select,
        *,
        exact: bool = False,
        lead: bool = False,
    ) -> Plan:
        """Plans a window. The state stays what it is until the plan is committed.

        Where positions begin again and the pool has no room for the old rows beside the new ones,
        the old ones are dropped first: nothing but their features is needed.

        Args:
            window: what is new.
            questions: what is asked.
            select: names what is recomputed of the overlap.
            exact: begin positions again and compute every token.
            lead: see :attr:`~costream.engine.refresh.RefreshPolicy.lead`.

        Raises:
            PoolExhaustedError: the pool has too few rows; none is taken then.
        """
        self.free_retired()
        rebase = exact or self.rebases(window)
        try:
            return self._plan(window, questions, select, rebase=rebase, exact=exact, lead=lead)
        except PoolExhaustedError:
            if not rebase or not self.resident or self._kept is not None:
                raise
        self.drop()
        return self._plan(window, questions, select, rebase=rebase, exact=exact, lead=lead)

    @property
    def saved(self) -> HostRows | None:
        """Its rows, where they are in host memory and not in the pool."""
        return self._saved

    @property
    def resident(self) -> bool:
        """Whether the pool holds anything of it."""
        return self._saved is None and any(map(len, self.window.referred))

    @property
    def cached(self) -> bool:
        """Whether the pool holds keys and values of its window."""
        return self._saved is None and self._kept is None and bool(self.window.patches)

    def drop(self) -> None:
        """Frees its rows and keeps their features: with its next window positions begin again."""
        self.free_retired()
        held = np.unique(np.concatenate(self.window.referred))
        slots = self._pool.slots(held)
        self._pool.retain_slots(slots)
        self._free()
        self._kept = slots
        self.window = self.window.mapped(lambda rows: np.searchsorted(held, rows))
        self.rebase_next = True

    def swap_out(self, *, keys: bool = True) -> None:
        """Moves its rows to host memory, which frees them in the pool.

        Args:
            keys: save keys and values; else only features are, and the window is recomputed when
                the stream is back.
        """
        self.free_retired()
        if self._kept is None and not keys:
            self.drop()
        if self._kept is not None:
            saved = self._pool.save_features(self._kept)
            self._free()
        else:
            held = np.unique(np.concatenate(self.window.referred))
            saved = self._pool.save(held)
            self._free()
            self.window = self.window.mapped(lambda rows: np.searchsorted(held, rows))
        self._saved = saved

    def copy(self) -> StreamState:
        """Returns the window as it is, its features in host memory and none of its rows.

        It can be computed from nothing whatever becomes of this one.
        """
        held = np.unique(np.concatenate(self.window.referred))
        copy = StreamState(self.stream, self._pool)
        copy.window = self.window.mapped(lambda rows: np.searchsorted(held, rows))
        copy._saved = self._pool.save_features(self._pool.slots(held))
        copy.rebase_next = True
        return copy

    def swap_in(self, *, keys: bool = True) -> None:
        """Moves its rows back into the pool.

        Args:
            keys: with keys and values, where these were saved; else features alone, for a window
                that is recomputed.

        Raises:
            PoolExhaustedError: there is no room for them.
        """
        saved = self._saved
        if saved is None:
            return
        if saved.keys_values is None or not keys:
            self._kept = self._pool.restore_features(saved)
            self.rebase_next = True
        else:
            taken = self._pool.restore(saved)
            self.window = self.window.mapped(lambda rows: taken[rows])
            for rows in self.window.referred:
                self._pool.retain(rows)
            self._pool.release(taken)
        self._saved = None

    def commit(self, plan: Plan) -> None:
        """Moves on to a window that was run, and frees what it no longer refers to."""
        for rows in plan.state.referred:
            self._pool.retain(rows)
        self._free()
        self.rebase_next, self._retired = False, None
        self.window = plan.state
        self._pool.release(plan.taken)

    def retire(self, tick: int) -> None:
        """Notes that every further window begins at a tick or later.

        What none of them refers to can be asked about until the next one is planned, or until
        there is need of its rows: :meth:`free_retired`.
        """
        self._retired = tick

    def free_retired(self) -> bool:
        """Frees what no further window refers to; says whether there was any."""
        tick, self._retired = self._retired, None
        if tick is None:
            return False
        table, used = self.window.table, self._pool.used
        overlap = self._since(tick)
        self._pool.release(table.rows[: len(table.rows) - len(overlap.table.rows)])
        self.window = replace(self.window, patches=overlap.patches, table=overlap.table)
        return self._pool.used < used

    def behind(self) -> tuple[Keys, Tensor]:
        """Returns what text behind the window looks at, and where it begins: int64 [axes, 1]."""
        window, prompt = self.window, self.stream.prompt
        first, last = window.patches[0].position, window.patches[-1].position
        before = np.full(prompt.tokens, first - prompt.tokens)
        keys = Keys(
            np.concatenate([prompt.rows, window.table.rows]),
            np.concatenate([before, window.table.distances]),
            np.empty(0, np.int64),
        )
        layout, geometry = self.stream.layout, self.stream.geometry
        return keys, layout.text_start(first, last, window.position, geometry)

    def abandon(self, plan: Plan) -> None:
        """Gives the rows of a plan back that was not run."""
        self._pool.release(plan.taken)

    def close(self) -> None:
        """Frees all rows: the stream is watched no longer."""
        self._free()
        self._saved = self._retired = None
        self.window = WindowState(
            (), PageTable(), CarryOver.nothing(self.stream.groups), self.window.position, 0
        )

    def check_integrity(self) -> tuple[list[Ints], list[Ints]]:
        """Checks that patches lie in their slots without gap or overlap, in order.

        Returns:
            The rows that the state refers to, and the slots of features.

        Raises:
            IntegrityError: they don't.
        """
        check_layout(self.window.patches, self.window.table.first)
        if self._kept is not None:
            return [], [self._kept]
        return self.window.referred if self._saved is None else [], []

    def _plan(
        self,
        window: WindowInput,
        questions: Questions,
        select: Select,
        *,
        rebase: bool,
        exact: bool,
        lead: bool,
    ) -> Plan:
        self.swap_in(keys=not rebase)
        overlap, kept = self._since(window.start), self._kept
        draft = Draft(
            self.stream,
            self._pool,
            self.window,
            overlap,
            rebase=rebase,
            exact=exact,
            slots=None if kept is None else lambda rows: kept[rows],
            start=window.start,
        )
        try:
            if rebase:
                ticks = [patch.tick for patch in overlap.patches]
                draft.begin_again([*ticks, *(f.ticks[0] for f in window.frames), window.start][0])
            else:
                draft.refresh(select(overlap), lead=lead)
            for frame in window.frames:
                draft.arrive(frame)
            return draft.finish(window, questions)
        except BaseException:
            for rows in draft.taken:
                self._pool.release(rows)
            raise

    def _free(self) -> None:
        """Gives back what it has of the pool."""
        if self._kept is not None:
            self._pool.release_slots(self._kept)
            self._kept = None
        elif self._saved is None:
            for rows in self.window.referred:
                self._pool.release(rows)

    def _since(self, start: int) -> Overlap:
        """Returns what of the window a later one shares."""
        before = self.window
        patches = tuple(patch for patch in before.patches if patch.tick >= start)
        first = patches[0].slot if patches else before.table.end
        table = before.table.since(first)
        contexts = self._pool.contexts[table.rows] if self.cached else None
        return Overlap(patches, table, start, contexts, self.stream.schedule.recent)
