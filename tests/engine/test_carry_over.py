"""Carried-over groups, in the encoder and in the language model."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from costream.engine.engine import Engine
from costream.engine.watch import Watch
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from tests.engine.driving import ScriptedPruner, advance, check_integrity, run, stored
from tests.engine.test_stream_state import TOLERANCE, quick
from tests.fakes import FakeStream, noise_pictures, samples_of

STILL = [noise_pictures(1)[0]] * 24
CHANGING = noise_pictures(24)
SHARES = (1.0, 0.3, 0.0, 0.6)


def watch_of(
    model: ModelAdapter,
    *,
    pictures: Sequence = STILL,
    shares: Sequence[float] = SHARES,
    ticks: Sequence[int] | None = None,
    **values: object,
) -> tuple[Watch, list]:
    settings = {"fps": 2, "window": 6, "stride": 2, "frame_size": (128, 96), "refresh": "none"}
    engine = Engine(model, EngineSettings.checked(**{**settings, **values}))
    engine._pruner = type("Scripted", (ScriptedPruner,), {"shares": shares})
    stream = FakeStream(samples_of(pictures, ticks))
    windows = [window for window, _ in engine.windows(stream)]
    return engine.open(stream, ["Is someone fighting?"]), windows


@quick
@given(shares=st.lists(st.sampled_from([0.0, 0.2, 0.7]), min_size=1, max_size=4))
def test_a_still_scene_is_told_as_if_nothing_had_been_pruned(
    any_model: ModelAdapter, shares: list[float]
) -> None:
    """Where pruning is right, that is where nothing changed, the encoder's memory is exact."""
    pruned, windows = watch_of(any_model, shares=(1.0, *shares), refresh="full")
    whole, _ = watch_of(any_model, shares=(1.0,), refresh="full")
    for window in windows:
        assert torch.allclose(advance(pruned, window), advance(whole, window), atol=TOLERANCE)


def test_without_carry_over_it_is_not(model: ModelAdapter) -> None:
    carried, windows = watch_of(model, refresh="full")
    dropped, _ = watch_of(model, refresh="full", hold=False)
    gap = advance(carried, windows[0]) - advance(dropped, windows[0])
    assert gap.abs().max() > 100 * TOLERANCE


def test_keys_and_values_are_those_of_where_a_group_was_encoded_moved_to_its_place(
    model: ModelAdapter,
) -> None:
    watch, windows = watch_of(model, pictures=CHANGING)
    last: dict[int, tuple[torch.Tensor, torch.Tensor, int]] = {}
    carried = 0
    for window in windows:
        advance(watch, window)
        new, (keys, values) = {t.tick for t in window.arrivals}, stored(watch, 2)
        state = watch.state.window
        for patch in (p for p in state.patches if p.tick in new):
            tokens = patch.segment.visual.nonzero()[:, 0]
            for group, token in zip(patch.shown.nonzero()[:, 0].tolist(), tokens, strict=True):
                slot = patch.slot - state.table.first + int(token)
                place = patch.position + int(patch.segment.positions[0, token])
                found = keys[:, slot], values[:, slot]
                if patch.carried[group]:
                    turn = model.rotation(torch.tensor([place - last[group][2]]))
                    moved = turn.apply(last[group][0][None])[0]
                    assert torch.allclose(found[0], moved, atol=1e-5)
                    assert torch.equal(found[1], last[group][1])
                    carried += 1
                else:
                    last[group] = *(part.clone() for part in found), place
    assert carried > 50


def test_what_is_carried_over_takes_no_pass_and_no_row(model: ModelAdapter) -> None:
    watch, windows = watch_of(model, pictures=CHANGING)
    for window in windows:
        plan, _ = run(watch, window)
        new = len(window.arrivals)
        encoded = sum(frame.encoded for frame in plan.window.frames)
        assert sum(piece.visual_tokens for piece in plan.pieces) == encoded < new * 12
        assert plan.referring == new * 12 - encoded
        labels = sum(patch.label_tokens for patch in plan.state.patches)
        kept = sum(patch.keep.kept for patch in plan.state.patches)
        # And the last of groups whose own frame has left the window.
        assert labels + kept <= watch.state.rows <= labels + kept + 12


def test_after_a_gap_what_is_carried_over_is_computed_from_its_features(
    model: ModelAdapter,
) -> None:
    ticks = [*range(12), *range(62, 74)]
    watch, windows = watch_of(model, shares=(1.0, 0.0), ticks=ticks, pictures=STILL)
    found = [watch.step(window).tokens for window in windows]
    after = next(n for n, window in enumerate(windows) if window.start > 12)
    # The first patch behind the gap is pruned, and the window holds nothing else.
    assert (found[after].full, found[after].kept, found[after].carried) == (12, 0, 12)
    assert (found[after].prefilled, found[after].referring) == (12, 0)
    assert sum(tokens.referring for tokens in found[after + 1 :]) > 0


@pytest.mark.parametrize("how", ["drop", "out", "out without keys", "drop, then out"])
def test_features_that_outlived_their_rows_give_what_the_rows_would_have(
    model: ModelAdapter, how: str
) -> None:
    """Whatever comes next: an overlap, or a gap behind which all is carried over."""
    ticks = [*range(20), *range(62, 74)]
    shares = (1.0, 0.0, 0.3, 0.0)
    watch, windows = watch_of(model, shares=shares, ticks=ticks, pictures=noise_pictures(32))
    alone, _ = watch_of(model, shares=shares, ticks=ticks, pictures=noise_pictures(32))
    gap = next(n for n, window in enumerate(windows) if window.start > 20)
    for number, window in enumerate(windows):
        if number in (2, gap):
            if "drop" in how:
                watch.state.drop()
            if "out" in how:
                watch.state.swap_out(keys="without" not in how)
            alone.state.rebase_next = True
            watch.state.rebase_next = True
            check_integrity([watch])
        assert torch.allclose(advance(watch, window), advance(alone, window), atol=TOLERANCE)


def test_what_leaves_with_the_next_window_is_freed_when_one_is_answered(
    model: ModelAdapter,
) -> None:
    watch, windows = watch_of(model, pictures=CHANGING)
    for window in windows[:-1]:
        watch.step(window)
        following = window.start + watch.stream.schedule.stride
        state = watch.state.window
        assert all(patch.tick >= following for patch in state.patches)
        assert len(state.table.rows) == sum(patch.tokens for patch in state.patches)
        check_integrity([watch])
    watch.close()
    assert watch._runner.pool.used == watch._runner.prompt.tokens


def test_positions_that_begin_again_adopt_what_has_left_the_window_once(
    model: ModelAdapter,
) -> None:
    """Rows are recomputed, and tokens that are carried over refer to the new ones."""
    watch, windows = watch_of(model, shares=(1.0, 0.0, 0.3), stride=1, rebase_after=100)
    rebased = 0
    for window in windows:
        plan, _ = run(watch, window)
        if plan.rebased and window.index:
            rebased += 1
            assert plan.referring > 0
            prefilled = sum(piece.visual_tokens for piece in plan.pieces)
            kept = sum(patch.keep.kept for patch in plan.state.patches)
            assert kept <= prefilled <= kept + 12
            first = next(patch for patch in plan.state.patches if patch.segment is not None)
            _, distances = plan.state.table.entries(first.slot, first.tokens)
            assert not distances.any()
    assert rebased


def test_recomputing_an_anchor_leaves_those_that_refer_to_it_the_old_row(
    model: ModelAdapter,
) -> None:
    watch, windows = watch_of(model, shares=(1.0, 0.0, 0.0), refresh="anchors", pictures=CHANGING)
    before, _ = run(watch, windows[0])
    after, _ = run(watch, windows[1])
    anchors = [p for p in after.state.patches if p.anchor and p.tick in _ticks(before)]
    followers = [p for p in after.state.patches if not p.anchor and p.tick in _ticks(before)]
    assert anchors and followers
    for patch in anchors:
        old, new = (_rows(plan, patch.tick) for plan in (before, after))
        assert not set(old.tolist()) & set(new.tolist())
    for patch in followers:
        assert torch.equal(_rows(before, patch.tick), _rows(after, patch.tick))


def test_recomputing_what_is_stale_takes_those_with_it_that_refer_to_it(
    model: ModelAdapter,
) -> None:
    watch, windows = watch_of(
        model, shares=(1.0, 0.0, 0.0), refresh="stale", refresh_share=1.0, pictures=CHANGING
    )
    before, _ = run(watch, windows[0])
    after, _ = run(watch, windows[1])
    shared = [patch.tick for patch in after.state.patches if patch.tick in _ticks(before)]
    assert len(shared) > 1
    old = torch.cat([_rows(before, tick) for tick in shared])
    new = torch.cat([_rows(after, tick) for tick in shared])
    assert not set(old.tolist()) & set(new.tolist())
    # Each row is recomputed once, however many tokens refer to it.
    assert len(new.unique()) == len(old.unique()) < len(old)
    check_integrity([watch])


def _ticks(plan) -> set[int]:
    return {patch.tick for patch in plan.state.patches}


def _rows(plan, tick: int) -> torch.Tensor:
    patch = next(patch for patch in plan.state.patches if patch.tick == tick)
    rows, _ = plan.state.table.entries(patch.slot, patch.tokens)
    return torch.from_numpy(rows)[patch.segment.visual]


def test_a_group_that_was_never_kept_is_not_shown(model: ModelAdapter) -> None:
    watch, windows = watch_of(model, shares=(0.4, 0.0))
    tokens = watch.step(windows[0]).tokens
    assert 0 < tokens.kept + tokens.carried < tokens.full


@pytest.mark.parametrize("chunk", [1, 30])
def test_chunks_of_a_pass_don_t_matter(model: ModelAdapter, chunk: int) -> None:
    whole, windows = watch_of(model, pictures=CHANGING)
    parts, _ = watch_of(model, pictures=CHANGING, chunk=chunk)
    for window in windows:
        assert torch.allclose(advance(parts, window), advance(whole, window), atol=TOLERANCE)


@pytest.mark.parametrize("refresh", ["none", "anchors", "random", "full"])
def test_rows_don_t_pile_up(model: ModelAdapter, refresh: str) -> None:
    watch, windows = watch_of(model, pictures=CHANGING * 4, refresh=refresh, rebase_after=300)
    used = []
    for window in windows:
        advance(watch, window)
        used.append(watch._runner.pool.used)
    assert max(used[8:]) <= max(used[2:8]) + 12
