"""Streams are moved between operating points: what is set, and what is told of it."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from costream.engine.audit_ring import audit_ring
from costream.engine.engine import Engine
from costream.engine.ingest import ReadingKnobs, Reports
from costream.engine.result import Result
from costream.errors import SettingsError
from costream.models import ModelAdapter
from costream.pruning import PRUNERS, PatchGrid, PrunerSettings
from costream.settings import EngineSettings
from costream.video import DeferredSource, Stream
from tests.engine.test_ingest import ingest_of
from tests.fakes import noise_pictures, samples_of
from tests.video.encode import encode, texture

ASKS = ["Is it?", "Is someone there?"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something moves all the time before a background that stands."""
    base, frames = texture(96, 128).astype(int), []
    for n in range(600):
        frame = base.astype(np.uint8)
        at = n % 90
        frame[30:60, at : at + 30] = texture(30, 30, seed=5)
        frames.append(frame)
    options = {"crf": "16", "g": "250", "bf": "0"}
    return encode(tmp_path_factory.mktemp("clips") / "x.mp4", frames, rate=10, options=options)


def watched(
    model: ModelAdapter, clip: Path, *, apart: bool = False, **values: object
) -> list[Result]:
    settings = EngineSettings.checked(
        **{"fps": 2, "window": 2, "stride": 1, "frame_size": (128, 96), **values}
    )
    engine = Engine(model, settings)
    connect = partial(Stream, clip, motion=False, decode="auto")
    source = DeferredSource(connect, patience=0, backlog=4, keep=audit_ring(settings))
    if not apart:
        return list(engine.watch(source, ASKS))
    with closing(engine.ingest(source)) as stream:
        return list(engine.watch(stream, ASKS))


@pytest.mark.parametrize("apart", [False, True])
def test_a_budget_that_all_fits_into_ends_at_full_recomputation(
    model: ModelAdapter, clip: Path, apart: bool
) -> None:
    results = watched(model, clip, apart=apart, budget=1.0)
    moves = [move for result in results for move in result.moves]
    assert len(moves) >= 3
    assert results[0].point == "usual"
    assert [str(move.before) for move in moves[1:]] == [str(move.after) for move in moves[:-1]]
    assert "of full recomputation" in moves[0].reason
    # With more care, more is kept, and keys and values are recomputed.
    assert results[-1].tokens.kept > results[1].tokens.kept
    assert results[-1].flops.spent > results[1].flops.spent
    assert not any(result.rebased for result in results[1:5])
    assert any(result.rebased for result in results[-8:])
    assert results[-1].to_dict()["point"] == str(moves[-1].after)


def test_a_budget_that_nothing_fits_into_ends_at_the_floor(model: ModelAdapter, clip: Path) -> None:
    results = watched(model, clip, budget=0.001)
    assert results[-1].point == "threshold x1.6, anchors x16 apart"
    assert sum(r.tokens.kept for r in results[-4:]) <= sum(r.tokens.kept for r in results[2:6])


def test_a_stream_whose_answers_differ_is_treated_with_more_care(
    model: ModelAdapter, clip: Path
) -> None:
    # A threshold amid the scores of a model that was never trained: decisions flip at random.
    usual = watched(model, clip)
    threshold = float(np.median([result.answers[0].score for result in usual]))
    results = watched(
        model, clip, audit=1.0, max_disagreement=0.02, thresholds={ASKS[0]: threshold}
    )
    moves = [move for result in results for move in result.moves]
    assert moves
    assert "lately surely more than 2%" in moves[0].reason
    assert moves[0].window < 20


def test_without_a_controller_nothing_moves(model: ModelAdapter, clip: Path) -> None:
    results = watched(model, clip)
    assert {(result.point, result.moves) for result in results} == {("usual", ())}


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"max_disagreement": 0.01}, "max_disagreement is seen by checks alone"),
        ({"max_disagreement": 0.01, "audit": 0.01, "budget": 0.5}, "choose one of them"),
        ({"budget": 0.5, "pruner": "codecflow-v4"}, "codecflow-v4 can't be set while"),
        ({"budget": 0.0}, "budget"),
        ({"max_disagreement": 1.0, "audit": 0.01}, "max_disagreement"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    values: dict[str, object], error: str
) -> None:
    with pytest.raises(SettingsError, match=error):
        EngineSettings.checked(**values)


def test_a_pruner_keeps_more_and_less_while_its_stream_runs() -> None:
    grid = PatchGrid(12, 16, 2)
    pruner = PRUNERS["last-kept"](grid, PrunerSettings(anchor_every=1000))
    still = noise_pictures(1)
    (first,) = samples_of(still)
    assert pruner.decide([first]).anchor == "first"

    def kept(tick: int) -> int:
        (sample,) = samples_of(still, [tick])
        return pruner.decide([sample]).kept

    assert kept(1) == 0
    pruner.steer(0.0, 0.0)
    assert kept(2) == kept(3) == grid.groups
    pruner.steer(1.0, 1.0)
    assert kept(4) == 0
    pruner.steer(1.0, 0.002)
    assert [kept(tick) for tick in range(5, 9)] == [grid.groups, 0, grid.groups, 0]


def test_pruners_that_cannot_be_set_say_so() -> None:
    pruner = PRUNERS["last-kept-budget"](PatchGrid(12, 16, 2), PrunerSettings(anchor_every=1000))
    with pytest.raises(SettingsError, match="last-kept-budget can't be set"):
        pruner.steer(1.0, 1.0)


def test_of_two_temporal_patches_one_is_shown_and_evidence_reaches_over_the_other(
    model: ModelAdapter,
) -> None:
    rule = PRUNERS["last-kept"](
        model.preprocessing.geometry(128, 96, 8, (128, 96)).grid, PrunerSettings(anchor_every=1000)
    )
    samples = samples_of(noise_pictures(1) * 32)
    ingest, _ = ingest_of(model, samples, rule, window=4, stride=4)
    ingest.steer(ReadingKnobs(thin=2))
    windows = list(ingest.windows(Reports()))
    assert [[frame.ticks for frame in window.frames] for window in windows] == [
        [(start, start + 1), (start + 4, start + 5)] for start in (0, 8, 16, 24)
    ]


def test_a_window_that_was_left_out_is_part_of_the_next(model: ModelAdapter) -> None:
    rule = PRUNERS["last-kept"](
        model.preprocessing.geometry(128, 96, 8, (128, 96)).grid, PrunerSettings(anchor_every=1000)
    )
    samples = samples_of(noise_pictures(1) * 16)
    ingest, _ = ingest_of(model, samples, rule, window=4, stride=2)
    _, second, third = list(ingest.windows(Reports()))
    joined = second.joined(third)
    assert (joined.index, joined.start, joined.end) == (third.index, third.start, third.end)
    assert joined.frames == (*second.frames, *third.frames)
    assert joined.reading.seconds == second.reading.seconds + third.reading.seconds


def test_everything_is_decoded_while_that_is_wanted(tmp_path: Path) -> None:
    options = {"crf": "27", "g": "250", "bf": "0"}
    clip = encode(tmp_path / "still.mp4", [texture(96, 128)] * 400, rate=10, options=options)
    shares = []
    for wanted in (False, True):
        connect = partial(Stream, clip, motion=False, decode="auto")
        source = DeferredSource(connect, patience=0, backlog=4)
        for sample in source.samples(2):
            source.wish.all = wanted and sample.tick > 20
        count = source.health.decoding
        shares.append(count.share)
        assert ("all" in count.to_dict()) == wanted
        source.close()
    assert shares[0] < 0.3
    assert shares[1] > 0.5
