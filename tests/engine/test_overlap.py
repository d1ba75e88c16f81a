"""Policies that choose tokens: how many, which, and what looking costs and leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costream.engine.engine import Engine
from costream.engine.overlap import Overlap
from costream.engine.page_table import PageTable
from costream.engine.plan import Plan
from costream.engine.refresh import REFRESH, RefreshSettings
from costream.engine.schedule import Window
from costream.engine.watch import Watch
from costream.models import ModelAdapter, VisualTokens
from costream.settings import EngineSettings
from tests.engine.driving import advance, check_integrity, run, stored
from tests.fakes import FakeStream, noise_pictures, samples_of, units

PICTURES = noise_pictures(16)
TOLERANCE = 2e-5

quick = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
shares = st.sampled_from([0.0, 0.04, 0.15, 0.5, 1.0])


def open_watch(model: ModelAdapter, **values: object) -> tuple[Watch, list[Window]]:
    defaults = {"fps": 2, "window": 5, "stride": 1, "pruner": "none", "frame_size": (128, 96)}
    engine = Engine(model, EngineSettings.checked(**{**defaults, **values}))
    stream = FakeStream(samples_of(PICTURES))
    return engine.open(stream, ["Is it?"]), [window for window, _ in engine.windows(stream)]


def slid(model: ModelAdapter, **values: object) -> tuple[Watch, Window, Overlap]:
    """Two windows on: the third, and its overlap as policies see it."""
    watch, windows = open_watch(model, **values)
    for window in windows[:2]:
        watch.step(window)
    return watch, windows[2], overlap_of(watch, windows[2])


def overlap_of(watch: Watch, window: Window) -> Overlap:
    return watch.state._since(window.start)


def deviations(watch: Watch, window: Window) -> torch.Tensor:
    empty = watch.ingest.prepare(Window(0, window.start, window.end, ()))
    return watch._runner.deviations(watch.state.survey(empty))


def select(
    name: str,
    overlap: Overlap,
    share: float = 0.15,
    seed: int = 0,
    looked: torch.Tensor | None = None,
) -> torch.Tensor:
    return REFRESH[name](RefreshSettings(share, seed)).select(overlap, looked)


def planned(watch: Watch, window: Window, mask: torch.Tensor) -> Plan:
    """A window in which the tokens of a mask are refreshed."""
    watch._refresh = type("Chosen", (), {"rebase": False, "looks": False, "lead": False})()
    watch._refresh.select = lambda overlap, looked: mask
    return run(watch, window)[0]


@quick
@given(share=shares)
@pytest.mark.parametrize("name", ["cacheblend", "random"])
def test_the_share_is_of_the_whole_overlap(model: ModelAdapter, name: str, share: float) -> None:
    watch, window, overlap = slid(model)
    mask = select(name, overlap, share, looked=deviations(watch, window))
    assert mask.shape == (overlap.tokens,)
    assert int(mask.sum()) == round(share * overlap.tokens)


def test_vlcache_takes_the_first_tokens_of_every_frame(model: ModelAdapter) -> None:
    watch, window, overlap = slid(model)
    pool = watch._runner.pool
    slots = pool.slots(overlap.table.rows)
    plan = planned(watch, window, select("vlcache", overlap, 0.15))
    chosen = plan.pieces[: len(overlap.patches)]
    assert [piece.visual_tokens for piece in chosen] == [2] * len(overlap.patches)
    for piece, patch in zip(chosen, overlap.patches, strict=True):
        visual = patch.segment.visual
        places = torch.arange(patch.tokens)[visual][:2] + patch.slot - overlap.table.first
        assert piece.keys.tolist() == (places + watch._runner.prompt.tokens).tolist()
        positions = patch.segment.positions[:, visual][:, :2]
        assert torch.equal(piece.segment.positions, positions)
        features = slots[places.numpy()]
        assert pool.slots(piece.visual_rows).tolist() == features.tolist()


def test_cacheblend_takes_the_keys_that_are_furthest_off(any_model: ModelAdapter) -> None:
    watch, window, overlap = slid(any_model, refresh="none")
    before = stored(watch, 1)[0][:, -overlap.tokens :].clone()
    mask = select("cacheblend", overlap, 0.2, looked=deviations(watch, window))
    planned(watch, window, torch.ones(overlap.tokens, dtype=torch.bool))
    fresh = stored(watch, 1)[0][:, : overlap.tokens]
    gaps = (fresh - before).square().sum(dim=(0, 2))
    assert gaps.max() > 0
    assert gaps[mask].min() >= gaps[~mask].max() - 1e-6


def test_looking_at_keys_changes_nothing_in_the_pool(any_model: ModelAdapter) -> None:
    watch, window, overlap = slid(any_model)
    pool = watch._runner.pool
    before, used = pool._memory._rows.numbers.clone(), pool.used
    assert deviations(watch, window).shape == (overlap.tokens,)
    assert torch.equal(pool._memory._rows.numbers, before) and pool.used == used


def test_keys_in_unchanged_context_don_t_deviate(any_model: ModelAdapter) -> None:
    watch, windows = open_watch(any_model)
    advance(watch, windows[0])
    assert deviations(watch, windows[0]).abs().max() < 1e-9


def test_looking_costs_a_layer_and_a_bit(model: ModelAdapter) -> None:
    watch, window, overlap = slid(model)
    empty = watch.ingest.prepare(Window(0, window.start, window.end, ()))
    survey = watch.state.survey(empty)
    spent = watch._runner.survey_flops(survey)
    layer = model.text_flops(overlap.tokens, len(survey.keys), 0) / model.kv_shape.layers
    assert layer < spent < 1.5 * layer
    looking, blind = (slid(model, refresh=name)[0] for name in ("cacheblend", "random"))
    more = looking.step(window).flops.spent - blind.step(window).flops.spent
    assert more == pytest.approx(spent, rel=0.01)


@pytest.mark.parametrize("name", ["cacheblend", "random"])
def test_refreshing_every_token_is_a_full_prefill(any_model: ModelAdapter, name: str) -> None:
    """With a share of 1, reuse can't be told from computing the window where it lies."""
    ours, windows = open_watch(any_model, refresh=name, refresh_share=1.0)
    whole, _ = open_watch(any_model, refresh="anchors", anchor_every=0.5)
    for window in windows:
        mine, theirs = ours.step(window), whole.step(window)
        assert mine.tokens.reused == theirs.tokens.reused == 0
        assert mine.answers[0].score == pytest.approx(theirs.answers[0].score, abs=TOLERANCE)
        check_integrity([ours])


@pytest.mark.parametrize("name", ["cacheblend", "vlcache", "random"])
def test_a_refreshed_token_does_not_see_later_ones(model: ModelAdapter, name: str) -> None:
    keys = []
    for sign in (1, -1):
        watch, window, overlap = slid(model, refresh="none")
        looked = deviations(watch, window)
        last = watch.state.window.patches[-1]
        rows, _ = watch.state.window.table.entries(last.slot, last.tokens)
        visual, pool = rows[last.segment.visual.numpy()], watch._runner.pool
        found = pool.features(units(pool, visual))
        pool.write_features(
            units(pool, visual), VisualTokens(sign * found.embeds, sign * found.deepstack)
        )
        mask = select(name, overlap, looked=looked)
        mask[-last.tokens :] = True
        planned(watch, Window(0, window.start, window.end, ()), mask)
        keys.append(stored(watch, 2)[0][:, : -last.tokens].clone())
    assert torch.allclose(*keys, atol=1e-6)


@quick
@given(seed=st.integers(0, 3))
def test_random_draws_depend_on_seed_and_window(model: ModelAdapter, seed: int) -> None:
    _, _, overlap = slid(model)
    mine = select("random", overlap, 0.3, seed)
    assert torch.equal(mine, select("random", overlap, 0.3, seed))
    assert not torch.equal(mine, select("random", overlap, 0.3, seed + 1))


@pytest.mark.parametrize("name", list(REFRESH))
def test_an_overlap_without_tokens_is_no_case_of_its_own(model: ModelAdapter, name: str) -> None:
    nothing = np.empty(0, np.int64)
    overlap = Overlap((), PageTable(5, nothing, nothing), 0, nothing)
    assert not select(name, overlap, looked=torch.empty(0)).any()


def test_what_is_stale_is_what_saw_most_of_what_has_left(model: ModelAdapter) -> None:
    watch, window, overlap = slid(model)
    # A window holds 10 ticks and moves on by 2: what the first one held saw 4 that have gone.
    assert overlap.staleness().max() == pytest.approx(4 / 10)
    assert select("stale", overlap, 1.0).all()
    some = select("stale", overlap, 0.1)
    assert int(some.sum()) == round(0.1 * overlap.tokens)
    assert overlap.staleness()[some].min() >= overlap.staleness()[~some].max()
    planned(watch, window, torch.ones(overlap.tokens, dtype=torch.bool))
    assert not overlap_of(watch, window).staleness().any()
