"""Selective prefill against full passes: positions, causality and slots, whatever is pruned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costream.engine.engine import Engine
from costream.engine.schedule import Window
from costream.engine.watch import Watch
from costream.models import ModelAdapter, VisualTokens
from costream.settings import EngineSettings
from tests.engine.driving import (
    ScriptedPruner,
    ScriptedRefresh,
    advance,
    again,
    from_nothing,
    in_place,
    run,
    stored,
)
from tests.fakes import FakeStream, noise_pictures, samples_of, units

PICTURES = noise_pictures(24)
TOLERANCE = 2e-5
"""Largest difference of logits, whose range is about 1.5, from the order of float32 sums."""

quick = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def open_watch(
    model: ModelAdapter,
    *,
    shares: Sequence[float] = (1.0,),
    refresh: set[int] | None = None,
    share: float = 1.0,
    stride: float = 2,
    asks: Sequence[str] = ("Is someone fighting?",),
    chunk: int = 2048,
    rebase_after: int = 65536,
    hold: bool = False,
) -> tuple[Watch, list[Window]]:
    config = EngineSettings(
        fps=2,
        window=6,
        stride=stride,
        frame_size=(128, 96),
        chunk=chunk,
        rebase_after=rebase_after,
        hold=hold,
    )
    engine = Engine(model, config)
    engine._pruner = type("Scripted", (ScriptedPruner,), {"shares": shares})
    engine._refresh = ScriptedRefresh(refresh or set(), share)
    stream = FakeStream(samples_of(PICTURES))
    return engine.open(stream, asks), [window for window, _ in engine.windows(stream)]


shares = st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=1, max_size=5)


@quick
@given(shares=shares, stride=st.sampled_from([1, 2, 3, 6]), hold=st.booleans())
def test_a_window_that_slid_by_nothing_needs_nothing(
    any_model: ModelAdapter, shares: list[float], stride: float, hold: bool
) -> None:
    watch, windows = open_watch(any_model, shares=shares, stride=stride, hold=hold)
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
@given(
    shares=shares,
    stride=st.sampled_from([1, 2, 3]),
    places=st.sets(st.integers(0, 5)),
    hold=st.booleans(),
)
def test_recomputing_all_in_place_equals_a_fresh_start_at_the_same_times(
    any_model: ModelAdapter, shares: list[float], stride: float, places: set[int], hold: bool
) -> None:
    """The moved prompt and the grown positions are exact: only context makes reuse differ."""
    watch, windows = open_watch(any_model, shares=shares, stride=stride, refresh=places, hold=hold)
    for window in windows:
        advance(watch, window)
        here = in_place(watch, window)
        assert torch.allclose(here, from_nothing(watch), atol=TOLERANCE)


@quick
@given(shares=shares, chunk=st.integers(1, 60), hold=st.booleans())
def test_chunks_don_t_change_the_result(
    model: ModelAdapter, shares: list[float], chunk: int, hold: bool
) -> None:
    whole, windows = open_watch(model, shares=shares, refresh={0, 2}, hold=hold)
    parts, _ = open_watch(model, shares=shares, refresh={0, 2}, chunk=chunk, hold=hold)
    for window in windows[:3]:
        assert torch.allclose(advance(parts, window), advance(whole, window), atol=TOLERANCE)


@quick
@given(shares=shares)
def test_questions_don_t_see_each_other(any_model: ModelAdapter, shares: list[float]) -> None:
    asks = ("Is someone fighting?", "Did a car stop?", "Is there smoke?")
    together, windows = open_watch(any_model, shares=shares, asks=asks)
    logits = advance(together, windows[0])
    for row, ask in zip(logits, asks, strict=True):
        alone, _ = open_watch(any_model, shares=shares, asks=[ask])
        assert torch.allclose(row, advance(alone, windows[0])[0], atol=TOLERANCE)


@pytest.mark.parametrize("words", [1, 80, 300])
def test_answers_don_t_depend_on_the_rows_that_tokens_get(model: ModelAdapter, words: int) -> None:
    """Long questions take more than one block of queries, too."""
    asks = ["Is there " + "smoke " * words + "?"]
    tidy, windows = open_watch(model, refresh={0, 1}, stride=1, asks=asks)
    mixed, _ = open_watch(model, refresh={0, 1}, stride=1, asks=asks)
    pool = mixed._runner.pool
    for seed, window in enumerate(windows):
        np.random.default_rng(seed).shuffle(pool._free)
        assert torch.allclose(advance(tidy, window), advance(mixed, window), atol=TOLERANCE)


def test_a_later_frame_does_not_change_earlier_keys(model: ModelAdapter) -> None:
    watch, windows = open_watch(model)
    advance(watch, windows[0])
    before = stored(watch, 2)[0].clone()
    last = watch.state.window.patches[-1]
    rows, _ = watch.state.window.table.entries(last.slot, last.tokens)
    visual, pool = rows[last.segment.visual.numpy()], watch._runner.pool
    found = pool.features(units(pool, visual))
    pool.write_features(units(pool, visual), VisualTokens(-found.embeds, -found.deepstack))
    in_place(watch, windows[0])
    after = stored(watch, 2)[0]
    kept = before.shape[1] - last.tokens
    assert torch.allclose(before[:, :kept], after[:, :kept], atol=1e-5)
    assert not torch.allclose(before[:, kept:], after[:, kept:], atol=1e-3)


def test_reuse_after_a_slide_does_differ(model: ModelAdapter) -> None:
    """Guards the tests above: what has left lives on in keys that are not refreshed."""
    watch, windows = open_watch(model)
    advance(watch, windows[0])
    reused = advance(watch, windows[1])
    assert (in_place(watch, windows[1]) - reused).abs().max() > 100 * TOLERANCE


def test_positions_begin_again_with_everything_recomputed(model: ModelAdapter) -> None:
    watch, windows = open_watch(model, stride=1, rebase_after=100)
    long_lived, _ = open_watch(model, stride=1)
    positions, rebased = [], []
    for window in windows:
        plan, _ = run(watch, window)
        other, _ = run(long_lived, window)
        positions.append(int(plan.text_start.max()))
        rebased.append(plan.rebased)
    assert max(positions) < 125 < int(other.text_start.max())
    assert positions != sorted(positions)
    assert rebased[0] and 1 < sum(rebased) < len(rebased)


def test_a_rebase_is_a_fresh_start(model: ModelAdapter) -> None:
    """What is computed then is what a stream computes that begins with that window."""
    watch, windows = open_watch(model, stride=1, rebase_after=100)
    for window in windows:
        plan, logits = run(watch, window)
        if plan.rebased:
            assert torch.allclose(logits, from_nothing(watch), atol=TOLERANCE)


@pytest.mark.parametrize("shares", [(0.0,), (1.0, 0.0)])
def test_frames_without_any_token_take_no_slot(
    model: ModelAdapter, shares: tuple[float, ...]
) -> None:
    watch, windows = open_watch(model, shares=shares)
    pruned, logits = run(watch, windows[0])
    full, _ = run(open_watch(model)[0], windows[0])
    assert torch.isfinite(logits).all()
    assert torch.equal(pruned.text_start, full.text_start), "holes keep the distances"
    assert pruned.state.table.end < full.state.table.end


def test_a_plan_that_is_not_run_leaves_no_trace(model: ModelAdapter) -> None:
    watch, windows = open_watch(model, shares=(0.5,), hold=True)
    other, _ = open_watch(model, shares=(0.5,), hold=True)
    for window in windows[:3]:
        watch.state.abandon(watch.plan(watch.ingest.prepare(window)))
        used = watch._runner.pool.used
        watch.state.abandon(watch.plan(watch.ingest.prepare(window)))
        assert watch._runner.pool.used == used
        assert torch.allclose(advance(watch, window), advance(other, window), atol=TOLERANCE)


def test_a_stream_that_is_closed_leaves_nothing(model: ModelAdapter) -> None:
    watch, windows = open_watch(model, shares=(1.0, 0.5), hold=True)
    empty = watch._runner.pool.used
    for window in windows:
        advance(watch, window)
    assert watch._runner.pool.used > empty
    watch.close()
    assert watch._runner.pool.used == empty == watch._runner.prompt.tokens
    assert not watch._runner._memories


def test_integrity_checks_find_a_patch_out_of_order(model: ModelAdapter) -> None:
    from costream.errors import IntegrityError

    watch, windows = open_watch(model)
    advance(watch, windows[0])
    state = watch.state.window
    watch.state.window = replace(state, patches=state.patches[::-1])
    with pytest.raises(IntegrityError):
        watch.state.check_integrity()
