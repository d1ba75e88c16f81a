"""Policies that choose tokens: how many, which, and what looking costs and leaves alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from costream.engine.engine import Engine
from costream.engine.overlap import Overlap
from costream.engine.refresh import REFRESH, RefreshSettings
from costream.engine.schedule import Window
from costream.engine.watch import Watch
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from tests.fakes import FakeStream, noise_pictures, samples_of

PICTURES = noise_pictures(16)
TOLERANCE = 2e-5
GROUPS = 12

quick = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
shares = st.sampled_from([0.0, 0.04, 0.15, 0.5, 1.0])


def open_watch(model: ModelAdapter, **values: object) -> tuple[Watch, list[Window]]:
    defaults = {"fps": 2, "window": 5, "stride": 1, "pruner": "none", "frame_size": (128, 96)}
    engine = Engine(model, EngineSettings.checked(**{**defaults, **values}))
    stream = FakeStream(samples_of(PICTURES))
    return engine.open(stream, ["Is it?"]), [window for window, _ in engine.windows(stream)]


def slid(model: ModelAdapter, **values: object) -> tuple[Watch, Overlap]:
    """Two windows on: the overlap is what policies see of the third."""
    watch, windows = open_watch(model, **values)
    for window in windows[:2]:
        watch.step(window)
    session = watch.session
    residents = session.slide(windows[2], session.encode(windows[2].arrivals))
    return watch, session.overlap(residents, windows[2].start)


def select(name: str, overlap: Overlap, share: float = 0.15, seed: int = 0) -> torch.Tensor:
    return REFRESH[name](RefreshSettings(share, seed)).select(overlap)


@quick
@given(share=shares)
@pytest.mark.parametrize("name", ["cacheblend", "random"])
def test_the_share_is_of_the_whole_overlap(model: ModelAdapter, name: str, share: float) -> None:
    _, overlap = slid(model)
    mask = select(name, overlap, share)
    assert mask.shape == (overlap.tokens,)
    assert int(mask.sum()) == round(share * overlap.tokens)


def test_vlcache_takes_the_first_tokens_of_every_frame(model: ModelAdapter) -> None:
    _, overlap = slid(model)
    chosen = overlap.take(select("vlcache", overlap, 0.15))
    assert [piece.visual_tokens for piece in chosen] == [2] * len(overlap.residents)
    for piece, whole in zip(chosen, overlap.pieces, strict=True):
        visual = whole.segment.visual
        assert torch.equal(piece.slots, whole.slots[visual][:2])
        assert torch.equal(piece.segment.positions, whole.segment.positions[:, visual][:, :2])
        assert torch.equal(piece.visual.embeds, whole.visual.embeds[:2])


def test_cacheblend_takes_the_keys_that_are_furthest_off(any_model: ModelAdapter) -> None:
    watch, overlap = slid(any_model, refresh="none")
    stored = watch.session.store.read(1)[0][0].clone()
    mask = select("cacheblend", overlap, 0.2)
    slots = torch.cat([piece.slots for piece in overlap.pieces]) - watch.session.store.first
    watch.session.prefill.run(overlap.pieces, torch.empty(0, dtype=torch.int64))
    fresh = watch.session.store.read(1)[0][0]
    gaps = (fresh - stored)[:, slots].square().sum(dim=(0, 2))
    assert gaps.max() > 0
    assert gaps[mask].min() >= gaps[~mask].max() - 1e-6


def test_looking_at_keys_changes_nothing_in_the_store(any_model: ModelAdapter) -> None:
    watch, overlap = slid(any_model)
    before = watch.session.store._slots.clone()
    assert overlap.deviations().shape == (overlap.tokens,)
    assert torch.equal(watch.session.store._slots, before)


def test_keys_in_unchanged_context_don_t_deviate(any_model: ModelAdapter) -> None:
    watch, windows = open_watch(any_model)
    watch.step(windows[0])
    overlap = watch.session.overlap(watch.session.residents, windows[0].start)
    assert overlap.deviations().abs().max() < 1e-9


def test_looking_costs_a_layer_and_a_bit(model: ModelAdapter) -> None:
    watch, overlap = slid(model)
    watch.session.meter.take()
    overlap.deviations()
    spent, store = watch.session.meter.take(), watch.session.store
    layer = model.text_flops(overlap.tokens, store.end - store.first, 0) / model.kv_shape.layers
    assert layer < spent < 1.5 * layer


@pytest.mark.parametrize("name", ["cacheblend", "random"])
def test_refreshing_every_token_is_a_full_prefill(any_model: ModelAdapter, name: str) -> None:
    """With a share of 1, reuse can't be told from computing the window where it lies."""
    ours, windows = open_watch(any_model, refresh=name, refresh_share=1.0)
    whole, _ = open_watch(any_model, refresh="anchors", anchor_every=0.5)
    for window in windows:
        mine, theirs = ours.step(window), whole.step(window)
        assert mine.tokens.reused == theirs.tokens.reused == 0
        assert mine.answers[0].score == pytest.approx(theirs.answers[0].score, abs=TOLERANCE)
        ours.session.check_integrity()


@pytest.mark.parametrize("name", ["cacheblend", "vlcache", "random"])
def test_a_refreshed_token_does_not_see_later_ones(model: ModelAdapter, name: str) -> None:
    keys = []
    for sign in (1, -1):
        watch, overlap = slid(model, refresh="none")
        last = watch.session.residents[-1]
        last.visual = type(last.visual)(sign * last.visual.embeds, last.visual.deepstack)
        pieces = [*overlap.take(select(name, overlap)), *watch.session.pieces([last])]
        watch.session.prefill.run(pieces, torch.empty(0, dtype=torch.int64))
        keys.append(watch.session.store.read(2)[0][:, :, : -last.tokens].clone())
    assert torch.allclose(*keys, atol=1e-6)


@quick
@given(seed=st.integers(0, 3))
def test_random_draws_depend_on_seed_and_window(model: ModelAdapter, seed: int) -> None:
    _, overlap = slid(model)
    mine = select("random", overlap, 0.3, seed)
    assert torch.equal(mine, select("random", overlap, 0.3, seed))
    assert not torch.equal(mine, select("random", overlap, 0.3, seed + 1))


@pytest.mark.parametrize("name", list(REFRESH))
def test_an_overlap_without_tokens_is_no_case_of_its_own(model: ModelAdapter, name: str) -> None:
    watch, _ = open_watch(model)
    overlap = watch.session.overlap([], 0)
    assert overlap.take(select(name, overlap)) == []
