"""Drives a watch window by window, as the engine does, and checks what must hold after each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from costream.engine.batch import Batch
from costream.engine.draft import Draft
from costream.engine.ingest import ReadingCost, WindowInput
from costream.engine.overlap import Overlap
from costream.engine.plan import Plan, WindowState
from costream.engine.refresh import RefreshPolicy, RefreshSettings
from costream.engine.schedule import Window
from costream.engine.watch import Watch
from costream.pruning import KeepMask, Pruner
from costream.video import Sample


class ScriptedPruner(Pruner):
    """Keeps what a script says, from a seed; a share of 0 leaves frames without any token."""

    name = "scripted"
    shares: Sequence[float] = (1.0,)

    def decide(self, samples: Sequence[Sample]) -> KeepMask:
        tick = samples[0].tick
        share = self.shares[tick // 2 % len(self.shares)]
        groups = np.random.default_rng(tick).random(self.grid.group_shape) < share
        return KeepMask(groups, "age" if share == 1 else None)


class ScriptedRefresh(RefreshPolicy):
    """Recomputes a share of the tokens of the temporal patches at the given places."""

    def __init__(self, places: set[int], share: float = 1.0) -> None:
        super().__init__(RefreshSettings(share))
        self.places = places

    def select(self, overlap: Overlap, deviations: torch.Tensor | None) -> torch.Tensor:
        numbers = {id(patch): n for n, patch in enumerate(overlap.patches)}
        mask = overlap.of(lambda patch: numbers[id(patch)] in self.places)
        return mask & (overlap.draws(seed=5) < self.settings.share)


def run(watch: Watch, window: Window) -> tuple[Plan, torch.Tensor]:
    """Runs a window, moves on to it and returns its plan and logits: [questions, vocabulary]."""
    plan, output = watch.run(watch.ingest.prepare(window))
    watch.state.commit(plan)
    check_integrity([watch])
    return plan, output.logits


def advance(watch: Watch, window: Window) -> torch.Tensor:
    """Returns the logits of the next window."""
    return run(watch, window)[1]


def again(watch: Watch, window: Window) -> torch.Tensor:
    """The same window once more: it slid by nothing."""
    return advance(watch, Window(window.index, window.start, window.end, ()))


def in_place(watch: Watch, window: Window) -> torch.Tensor:
    """Everything in the window recomputed where it lies, at the same positions."""
    refresh, watch._refresh = watch._refresh, ScriptedRefresh(set(range(99)))
    try:
        return again(watch, window)
    finally:
        watch._refresh = refresh


def from_nothing(
    watch: Watch, change: Callable[[WindowState], WindowState] = lambda state: state
) -> torch.Tensor:
    """The watch's window computed from the first position on, at the times that it has.

    The watch itself stays as it is.
    """
    before, runner = change(watch.state.window), watch._runner
    overlap = Overlap(before.patches, before.table, before.patches[0].tick)
    draft = Draft(watch.stream, runner.pool, before, overlap, rebase=True, exact=True)
    draft.begin_again(before.base_tick)
    nothing_new = WindowInput(0, overlap.start, overlap.start, (), None, ReadingCost(), 0.0)
    plan = draft.finish(nothing_new, watch.questions)
    (output,) = runner.run(Batch([plan]))
    watch.state.abandon(plan)
    return output.logits


def stored(watch: Watch, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values of the watch's window in one layer: [kv_heads, slots, head_dim] each."""
    table, runner = watch.state.window.table, watch._runner
    rotation = runner.model.rotation(torch.from_numpy(table.distances))
    return runner.pool.gather(layer, torch.from_numpy(table.rows), rotation)


def check_integrity(watches: Sequence[Watch]) -> None:
    """Checks the pool of an engine against all that refers to it."""
    runner = watches[0]._runner
    found = [watch.state.check_integrity() for watch in watches]
    referred, slots = ([part for pair in found for part in pair[n]] for n in (0, 1))
    runner.pool.check_integrity([runner.prompt.rows, *referred], slots)
