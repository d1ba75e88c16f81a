"""Selective prefill against full passes: positions, causality and slots, whatever is pruned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costream.engine.engine import Engine
from costream.engine.overlap import Overlap
from costream.engine.refresh import RefreshPolicy, RefreshSettings
from costream.engine.resident import Resident
from costream.engine.schedule import Window
from costream.engine.watch import Watch
from costream.models import ModelAdapter
from costream.pruning import KeepMask, Pruner
from costream.settings import EngineSettings
from costream.video import Sample
from tests.fakes import FakeStream, noise_pictures, samples_of

PICTURES = noise_pictures(24)
TOLERANCE = 2e-5
"""Largest difference of logits, whose range is about 1.5, from the order of float32 sums."""

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


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

    def select(self, overlap: Overlap) -> torch.Tensor:
        numbers = {id(resident): n for n, resident in enumerate(overlap.residents)}
        mask = overlap.of(lambda resident: numbers[id(resident)] in self.places)
        return mask & (overlap.draws(seed=5) < self.settings.share)


def open_watch(
    model: ModelAdapter,
    *,
    shares: Sequence[float] = (1.0,),
    refresh: set[int] | None = None,
    share: float = 1.0,
    stride: float = 2,
    asks: Sequence[str] = ("Is someone fighting?",),
    chunk: int = 2048,
    epoch: int = 65536,
    hold: bool = False,
) -> tuple[Watch, list[Window]]:
    config = EngineSettings(
        fps=2, window=6, stride=stride, frame_size=(128, 96), chunk=chunk, epoch=epoch, hold=hold
    )
    engine = Engine(model, config)
    engine._pruner = type("Scripted", (ScriptedPruner,), {"shares": shares})
    engine._refresh = ScriptedRefresh(refresh or set(), share)
    stream = FakeStream(samples_of(PICTURES))
    return engine.open(stream, asks), [window for window, _ in engine.windows(stream)]


def advance(watch: Watch, window: Window) -> torch.Tensor:
    logits, _ = watch.prefill(window, watch.session.encode(window.arrivals))
    watch.session.release()
    watch.session.check_integrity()
    return logits


def again(watch: Watch, window: Window) -> torch.Tensor:
    """The same window once more: it slid by nothing."""
    return advance(watch, Window(window.index, window.start, window.end, ()))


def from_nothing(watch: Watch, window: Window) -> torch.Tensor:
    """Everything in the window recomputed where it lies, in the same epoch."""
    refresh, watch._refresh = watch._refresh, ScriptedRefresh(set(range(99)))
    try:
        return again(watch, window)
    finally:
        watch._refresh = refresh


shares = st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=1, max_size=5)


@quick
@given(shares=shares, stride=st.sampled_from([1, 2, 3, 6]))
def test_a_window_that_slid_by_nothing_needs_nothing(
    any_model: ModelAdapter, shares: list[float], stride: float
) -> None:
    watch, windows = open_watch(any_model, shares=shares, stride=stride)
    first = advance(watch, windows[0])
    assert torch.allclose(again(watch, windows[0]), first, atol=TOLERANCE)


@quick
@given(shares=shares, places=st.sets(st.integers(0, 5)), share=st.sampled_from([0.1, 0.5, 1.0]))
def test_refreshing_in_unchanged_context_changes_nothing(
    any_model: ModelAdapter, shares: list[float], places: set[int], share: float
) -> None:
    watch, windows = open_watch(any_model, shares=shares, refresh=places, share=share)
    first = advance(watch, windows[0])
    assert torch.allclose(again(watch, windows[0]), first, atol=TOLERANCE)


@quick
@given(shares=shares, stride=st.sampled_from([1, 2, 3]), places=st.sets(st.integers(0, 5)))
def test_recomputing_all_in_place_equals_a_fresh_start_at_the_same_times(
    any_model: ModelAdapter, shares: list[float], stride: float, places: set[int]
) -> None:
    """The moved prompt and the grown positions are exact: only context makes reuse differ."""
    watch, windows = open_watch(any_model, shares=shares, stride=stride, refresh=places)
    for window in windows:
        advance(watch, window)
        in_place = from_nothing(watch, window)
        fresh, _ = open_watch(any_model, shares=shares, stride=stride)
        fresh.session._pruner = watch.session._pruner
        fresh.session._epoch_tick = watch.session._epoch_tick
        fresh.session.slide(window, [copy_of(r) for r in watch.session.residents])
        slot = fresh.session.reserve(fresh.questions.tokens)
        pieces = fresh.session.pieces(fresh.session.residents)
        alone = fresh.questions.ask(fresh.session, slot, pieces)
        assert torch.allclose(in_place, alone, atol=TOLERANCE)


def copy_of(resident: Resident) -> Resident:
    return Resident(
        resident.ticks,
        resident.frames,
        resident.keep,
        resident.held,
        resident.visual,
        resident.encoded,
        resident.damaged,
    )


@quick
@given(shares=shares, chunk=st.integers(1, 60))
def test_chunks_don_t_change_the_result(
    model: ModelAdapter, shares: list[float], chunk: int
) -> None:
    whole, windows = open_watch(model, shares=shares, refresh={0, 2})
    pieces, _ = open_watch(model, shares=shares, refresh={0, 2}, chunk=chunk)
    for window in windows[:3]:
        assert torch.allclose(advance(pieces, window), advance(whole, window), atol=TOLERANCE)


@quick
@given(shares=shares)
def test_questions_don_t_see_each_other(any_model: ModelAdapter, shares: list[float]) -> None:
    asks = ("Is someone fighting?", "Did a car stop?", "Is there smoke?")
    together, windows = open_watch(any_model, shares=shares, asks=asks)
    logits = advance(together, windows[0])
    for row, ask in zip(logits, asks, strict=True):
        alone, _ = open_watch(any_model, shares=shares, asks=[ask])
        assert torch.allclose(row, advance(alone, windows[0])[0], atol=TOLERANCE)


def resize_store(watch: Watch, capacity: int) -> None:
    layers, two, heads, _, width = watch.session.store._slots.shape
    watch.session.store._slots = torch.zeros(layers, two, heads, capacity, width)
    watch.session._compute_prompt()


@pytest.mark.parametrize("words", [1, 20, 40, 80])
def test_answers_don_t_depend_on_when_the_store_moves_its_slots(
    model: ModelAdapter, words: int
) -> None:
    """The store may make room at any reservation, that of the questions too."""
    asks = ["Is there " + "smoke " * words + "?"]
    tight, windows = open_watch(model, refresh={0, 1}, stride=1, asks=asks)
    roomy, _ = open_watch(model, refresh={0, 1}, stride=1, asks=asks)
    resize_store(tight, 40)
    resize_store(roomy, 1 << 14)
    for window in windows:
        assert torch.allclose(advance(tight, window), advance(roomy, window), atol=TOLERANCE)


def test_a_later_frame_does_not_change_earlier_keys(model: ModelAdapter) -> None:
    watch, windows = open_watch(model)
    advance(watch, windows[0])
    before = watch.session.store.read(2)[0].clone()
    last = watch.session.residents[-1]
    last.visual = type(last.visual)(last.visual.embeds * -1, last.visual.deepstack)
    from_nothing(watch, windows[0])
    after = watch.session.store.read(2)[0]
    kept = before.shape[2] - last.tokens
    assert torch.allclose(before[:, :, :kept], after[:, :, :kept], atol=1e-5)
    assert not torch.allclose(before[:, :, kept:], after[:, :, kept:], atol=1e-3)


def test_reuse_after_a_slide_does_differ(model: ModelAdapter) -> None:
    """Guards the tests above: what was evicted does live on in keys that are not refreshed."""
    watch, windows = open_watch(model)
    advance(watch, windows[0])
    reused = advance(watch, windows[1])
    assert (from_nothing(watch, windows[1]) - reused).abs().max() > 100 * TOLERANCE


def test_an_epoch_ends_with_everything_computed_anew(model: ModelAdapter) -> None:
    watch, windows = open_watch(model, stride=1, epoch=100)
    long_lived, _ = open_watch(model, stride=1)
    positions = []
    for window in windows:
        advance(watch, window)
        advance(long_lived, window)
        positions.append(int(watch.session.end_position.max()))
    assert max(positions) < 125 < int(long_lived.session.end_position.max())
    assert positions != sorted(positions)


@pytest.mark.parametrize("shares", [(0.0,), (1.0, 0.0)])
def test_frames_without_any_token_take_no_slot(
    model: ModelAdapter, shares: tuple[float, ...]
) -> None:
    watch, windows = open_watch(model, shares=shares)
    pruned = advance(watch, windows[0])
    full, _ = open_watch(model)
    advance(full, windows[0])
    assert torch.isfinite(pruned).all()
    ends = watch.session.end_position, full.session.end_position
    assert torch.equal(*ends), "holes keep the distances"
    assert watch.session.store.end < full.session.store.end
