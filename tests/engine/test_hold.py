"""What is pruned stays in sight: held groups, in the encoder and in the language model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from costream.engine.engine import Engine
from costream.engine.hold import FeatureMemory
from costream.engine.resident import Resident
from costream.engine.session import Session
from costream.engine.watch import Watch
from costream.models import ModelAdapter, VisualTokens
from costream.settings import EngineSettings
from tests.engine.test_session import TOLERANCE, ScriptedPruner, advance, quick
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


def keys_and_values(
    session: Session, resident: Resident, group: int
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """What the store has of a group, [layers, kv_heads, head_dim] each, and its position."""
    assert resident.segment is not None
    token = int(resident.segment.visual.nonzero()[int(resident.shown[:group].sum())])
    keys, values = session.store._slots[:, :, :, resident.slot + token].unbind(1)
    return keys, values, resident.position + int(resident.segment.positions[0, token])


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


def test_without_holding_it_is_not(model: ModelAdapter) -> None:
    held, windows = watch_of(model, refresh="full")
    dropped, _ = watch_of(model, refresh="full", hold=False)
    gap = advance(held, windows[0]) - advance(dropped, windows[0])
    assert gap.abs().max() > 100 * TOLERANCE


def test_keys_and_values_are_those_of_where_a_group_was_last_moved_to_its_place(
    model: ModelAdapter,
) -> None:
    watch, windows = watch_of(model, pictures=CHANGING)
    copied = 0
    for window in windows:
        advance(watch, window)
        residents, new = watch.session.residents, {t.tick for t in window.arrivals}
        for before, resident in pairwise(residents):
            for group in resident.held.nonzero()[:, 0].tolist():
                if resident.tick in new:
                    keys, values, place = keys_and_values(watch.session, before, group)
                    own_keys, own_values, own_place = keys_and_values(
                        watch.session, resident, group
                    )
                    moved = model.move_keys(keys, own_place - place)
                    assert torch.allclose(own_keys, moved, atol=1e-5)
                    assert torch.equal(own_values, values)
                    copied += 1
    assert copied > 50


def test_what_is_held_costs_no_pass(model: ModelAdapter) -> None:
    watch, windows = watch_of(model, pictures=CHANGING)
    for window in windows:
        verdict = watch.step(window)
        tokens, new = verdict.tokens, len(window.arrivals)
        assert tokens.kept + tokens.held == tokens.full
        assert tokens.prefilled == tokens.encoded < new * 12
        assert tokens.copied == new * 12 - tokens.encoded


def test_after_a_gap_what_is_held_is_computed_from_its_features(model: ModelAdapter) -> None:
    """The store has lost it, the memory has not."""
    ticks = [*range(12), *range(62, 74)]
    watch, windows = watch_of(model, shares=(1.0, 0.0), ticks=ticks, pictures=STILL)
    found = [watch.step(window).tokens for window in windows]
    after = next(n for n, window in enumerate(windows) if window.start > 12)
    # The first patch behind the gap is pruned, and the window holds nothing else.
    assert (found[after].full, found[after].kept, found[after].held) == (12, 0, 12)
    assert (found[after].prefilled, found[after].copied) == (12, 0)
    assert sum(tokens.copied for tokens in found[after + 1 :]) > 0


def test_a_group_that_was_never_kept_is_not_shown(model: ModelAdapter) -> None:
    watch, windows = watch_of(model, shares=(0.4, 0.0))
    tokens = watch.step(windows[0]).tokens
    assert 0 < tokens.kept + tokens.held < tokens.full


@pytest.mark.parametrize("chunk", [1, 30])
def test_chunks_of_a_pass_don_t_matter(model: ModelAdapter, chunk: int) -> None:
    whole, windows = watch_of(model, pictures=CHANGING)
    pieces, _ = watch_of(model, pictures=CHANGING, chunk=chunk)
    for window in windows:
        assert torch.allclose(advance(pieces, window), advance(whole, window), atol=TOLERANCE)


def test_features_are_the_newest_of_each_group() -> None:
    memory = FeatureMemory(3)
    first = torch.tensor([True, True, False])
    second = torch.tensor([False, True, True])
    memory.complete(first, VisualTokens(torch.tensor([[1.0], [2.0]]), torch.zeros(0, 2, 1)))
    visual = memory.complete(
        second, VisualTokens(torch.tensor([[5.0], [6.0]]), torch.zeros(0, 2, 1))
    )
    assert visual.embeds[:, 0].tolist() == [1, 5, 6]
    assert visual.deepstack.shape == (0, 3, 1)
