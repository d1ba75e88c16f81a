"""Masks: what lies behind one makes no difference to anything, and is in no window."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from costream.engine.engine import Engine
from costream.engine.ingest import Reports
from costream.engine.ingest_process import IngestProcess
from costream.engine.result import Result
from costream.engine.view import StreamView
from costream.engine.workers import _work
from costream.errors import SettingsError
from costream.models import SIZES, ModelAdapter, load_model, write_untrained
from costream.pruning import PRUNERS, PatchGrid, PrunerSettings
from costream.settings import EngineSettings
from costream.video import DeferredSource, Picture, Sample, Stream, touched
from tests.engine.camera_file import Connect
from tests.engine.driving import check_integrity, run
from tests.fakes import FakeStream, noise_pictures, samples_of
from tests.video.encode import texture

ASKS = ["Is someone fighting?", "Is it?"]
WIDTH, HEIGHT = 256, 192
MASK = ((0.05, 0.1), (0.46, 0.03), (0.61, 0.52), (0.2, 0.8))
VIEW = StreamView(masks=(MASK,))
CODECS = {"ffv1": {}, "libx264": {"qp": "0", "g": "1"}}
"""Encoders without loss and without prediction between pictures: hidden pixels reach no others."""


def engine_of(model: ModelAdapter, **values: object) -> Engine:
    defaults = {"fps": 2, "window": 6, "stride": 2, "frame_size": (128, 96), "keep": 0.3}
    return Engine(model, EngineSettings.checked(**{**defaults, **values}))


def scene(seed: int, hidden_seed: int) -> list[np.ndarray]:
    """Pictures of a square that wanders; behind the mask, other noise in every picture."""
    rng = np.random.default_rng(hidden_seed)
    hidden = inner_pixels()
    pictures = []
    for n in range(20):
        luma = texture(HEIGHT, WIDTH, seed) // 2 + 40
        luma[120:150, 20 + 10 * n : 50 + 10 * n] = 230
        noise = rng.integers(0, 256, (HEIGHT // 4, WIDTH // 4), dtype=np.uint8)
        pictures.append(np.where(hidden, np.kron(noise, np.ones((4, 4), np.uint8)), luma))
    return pictures


def inner_pixels() -> np.ndarray:
    """Squares of 8 x 8 pixels that lie behind the mask as a whole."""
    outside = touched(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0),
                       *MASK, MASK[0]), (HEIGHT // 8, WIDTH // 8))  # fmt: skip
    return np.kron(~outside, np.ones((8, 8), np.bool_))


@pytest.fixture(scope="module", params=list(CODECS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two videos that differ behind the mask alone."""
    folder = tmp_path_factory.mktemp("masked")
    return [written(folder / f"{n}.mkv", scene(1, n), request.param) for n in (1, 2)]


def written(path: Path, pictures: Sequence[np.ndarray], codec: str) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=2, options=CODECS[codec])
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for luma in pictures:
            frame = av.VideoFrame.from_ndarray(luma.astype(np.uint8), format="gray")
            out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode())
    return path


def windows_of(engine: Engine, path: Path, view: StreamView | None = VIEW) -> list:
    with Stream(path, motion=engine.settings.uses_motion) as stream:
        return list(engine.open(stream, ASKS, view).ingest.windows(Reports()))


def results_of(engine: Engine, path: Path, view: StreamView | None = VIEW) -> list[Result]:
    with Stream(path, motion=engine.settings.uses_motion) as stream:
        return list(engine.watch(stream, ASKS, view=view))


def told(results: Sequence[Result]) -> list[tuple]:
    return [(r.answers, r.tokens, r.flops, r.anchors) for r in results]


def test_the_pictures_differ_behind_the_mask_and_nowhere_else(pair: list[Path]) -> None:
    first, second = ([sample.picture.rgb() for sample in Stream(path).samples(2)] for path in pair)
    differ = np.any([np.any(a != b, axis=-1) for a, b in zip(first, second, strict=True)], axis=0)
    assert differ.sum() > 0.1 * differ.size
    assert not differ[~touched(MASK, differ.shape)].any()


@pytest.mark.parametrize("pruner", list(PRUNERS))
def test_what_happens_behind_a_mask_makes_no_difference(
    model: ModelAdapter, pair: list[Path], pruner: str
) -> None:
    for hold in (True, False):
        one, other = (results_of(engine_of(model, pruner=pruner, hold=hold), p) for p in pair)
        assert told(one) == told(other)
        assert len(one) > 2
        assert {answer.score for result in one for answer in result.answers} != {0.5}
    first, second = (windows_of(engine_of(model, pruner=pruner), path) for path in pair)
    for a, b in zip(first, second, strict=True):
        for mine, theirs in zip(a.frames, b.frames, strict=True):
            assert np.array_equal(mine.keep.groups, theirs.keep.groups)
            assert (mine.keep.anchor, mine.keep.scene) == (theirs.keep.anchor, theirs.keep.scene)
            assert np.array_equal(mine.patches, theirs.patches)


def test_it_does_without_the_mask(model: ModelAdapter, pair: list[Path]) -> None:
    one, other = (results_of(engine_of(model), path, view=None) for path in pair)
    assert told(one) != told(other)


@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize("pruner", ["last-kept", "none", "random"])
def test_masked_groups_are_in_no_window_whatever_the_pruner_says(
    model: ModelAdapter, pruner: str, hold: bool
) -> None:
    engine = engine_of(model, pruner=pruner, hold=hold)
    stream = FakeStream(samples_of(noise_pictures(24)))
    watch = engine.open(stream, ASKS, VIEW)
    masked = watch.stream.view.masked
    assert 0 < masked.sum() < masked.size
    for window, _ in engine.windows(stream):
        plan, _ = run(watch, window)
        for frame in plan.window.frames:
            assert not frame.keep.groups.reshape(-1)[masked].any()
        for patch in plan.state.patches:
            assert not patch.shown.numpy()[masked].any()
        assert (plan.state.carry.rows[masked] == -1).all()
        if hold:
            memory = engine.runner._memories[watch.stream.key]
            known = memory._known.numpy().reshape(masked.size, -1)
            assert not known[masked].any()
            assert known[~masked].all()


def test_what_is_left_stands_where_it_would_without_the_mask(model: ModelAdapter) -> None:
    engine = engine_of(model, pruner="none")
    laid_out = []
    for view in (VIEW, None):
        stream = FakeStream(samples_of(noise_pictures(12)))
        watch = engine.open(stream, ASKS, view)
        window, _ = next(engine.windows(stream))
        plan, _ = run(watch, window)
        laid_out.append((watch.stream.view.masked, plan))
        watch.close()
    (masked, holed), (_, whole) = laid_out
    for patch, other in zip(holed.state.patches, whole.state.patches, strict=True):
        assert patch.segment is not None and other.segment is not None
        assert (patch.position, patch.segment.span) == (other.position, other.segment.span)
        places = other.segment.positions[:, other.segment.visual][:, ~masked]
        assert (patch.segment.positions[:, patch.segment.visual] == places).all()


def test_what_masks_save_is_not_counted_as_saved(model: ModelAdapter) -> None:
    engine = engine_of(model, pruner="none", refresh="full")
    results = []
    for view in (VIEW, None):
        stream = FakeStream(samples_of(noise_pictures(12)))
        results += list(engine.watch(stream, ASKS, view=view))
    masked, whole = results
    left = int((~VIEW.on(engine.model.preprocessing, geometry_of(engine)).masked).sum())
    assert masked.tokens.full == 6 * left == masked.tokens.kept
    assert whole.tokens.full == whole.tokens.kept > masked.tokens.full
    assert masked.flops.full < whole.flops.full
    # Nothing was pruned and everything computed: what was spent is what is called the full cost.
    share = [r.flops.spent / r.flops.full for r in (masked, whole)]
    assert share[0] == pytest.approx(share[1], rel=0.05)


def geometry_of(engine: Engine):
    return engine.model.preprocessing.geometry(128, 96, engine.schedule.window, (128, 96))


def test_a_process_that_reads_masks_as_well(model: ModelAdapter, pair: list[Path]) -> None:
    engine = engine_of(model)
    source = DeferredSource(Connect(pair[0]), patience=0, backlog=4)
    with closing(IngestProcess.of(source)) as stream:
        apart = list(engine.watch(stream, ASKS, view=VIEW))
    assert [r.tokens for r in apart] == [r.tokens for r in results_of(engine_of(model), pair[1])]


def test_a_worker_masks_as_well(model: ModelAdapter, pair: list[Path]) -> None:
    sent: list[Result] = []
    line: Any = SimpleNamespace(send=sent.append)
    source = DeferredSource(Connect(pair[0]), patience=0, backlog=4)
    _work([line], lambda: engine_of(model), [source], ASKS, VIEW)
    assert [r.tokens for r in sent] == [r.tokens for r in results_of(engine_of(model), pair[1])]


def test_a_cut_is_seen_in_what_masks_leave(model: ModelAdapter) -> None:
    """Half of the picture is masked, and all of the rest changes: 100% of what can be seen."""
    grid = PatchGrid(12, 16, 2)
    masked = np.zeros(grid.group_shape, np.bool_)
    masked[:, :4] = True
    for hidden, anchor in ((masked, "cut"), (None, None)):
        pruner = PRUNERS["last-kept"](grid, PrunerSettings(anchor_every=1000, masked=hidden))
        keeps = [pruner.decide([sample]) for sample in half_cut()]
        assert keeps[0].anchor == "first"
        assert keeps[-1].anchor == anchor
        if hidden is not None:
            assert not keeps[-1].groups[masked].any()
            assert keeps[-1].groups[~masked].all()


def half_cut() -> list[Sample]:
    """The right half of a picture becomes another one."""
    before = np.repeat(texture(96, 128, 1)[..., None], 3, axis=2)
    after = before.copy()
    after[:, 64:] = np.repeat(texture(96, 64, 9)[..., None], 3, axis=2)[:, ::-1] // 2 + 90
    return samples_of([Picture.from_rgb(p) for p in (before, before, after)])


def test_motion_behind_a_mask_is_no_evidence(model: ModelAdapter) -> None:
    pictures = [noise_pictures(1)[0]] * 24
    still, moving = samples_of(pictures), samples_of(pictures)
    hidden = touched(((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)), moving[0].change.peak.shape)
    for n, sample in enumerate(moving):
        peak = np.where(hidden, np.float32(4), sample.change.peak)
        change = replace(sample.change, peak=peak, activity=peak, intra=hidden)
        moving[n] = replace(sample, change=change)
    view = StreamView(masks=(((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)),))
    for pruner in ("codecflow-v3", "codecflow-v4", "last-kept-codec"):
        engine = engine_of(model, pruner=pruner)
        one, other = (list(engine.watch(FakeStream(s), ASKS, view=view)) for s in (still, moving))
        assert told(one) == told(other)
        unmasked = [list(engine.watch(FakeStream(s), ASKS)) for s in (still, moving)]
        assert (told(unmasked[0]) == told(unmasked[1])) == (pruner == "last-kept-codec")


def test_masks_must_leave_something(model: ModelAdapter) -> None:
    everything = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    stream = FakeStream(samples_of(noise_pictures(8)))
    with pytest.raises(SettingsError, match="masks cover the whole picture"):
        list(engine_of(model).watch(stream, ASKS, view=StreamView(masks=(everything,))))
    view = StreamView(masks=(MASK,), zones={"gate": ((0.2, 0.3), (0.3, 0.3), (0.3, 0.4))})
    with pytest.raises(SettingsError, match="zone 'gate' lies behind masks"):
        engine_of(model).open(stream, ASKS, view)


@pytest.mark.parametrize("size", [name for name in SIZES if "test" in name])
def test_every_family_leaves_masked_groups_out(size: str, tmp_path: Path) -> None:
    model = load_model(str(write_untrained(tmp_path, size)), device="cpu")
    engine = Engine(model, EngineSettings(fps=2, window=3, stride=1))
    found = []
    for seed in (1, 2):
        pixels = [Picture.from_rgb(painted_by(seed, n)) for n in range(8)]
        results = list(engine.watch(FakeStream(samples_of(pixels)), ASKS, view=VIEW))
        found.append(told(results))
    assert found[0] == found[1]


def painted_by(seed: int, number: int) -> np.ndarray:
    """A picture of one scene, with pixels of a seed behind the mask."""
    pixels = np.random.default_rng(number).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    hidden = np.random.default_rng((seed, number)).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    return np.where(touched(MASK, (96, 128))[..., None], hidden, pixels)


def test_streams_with_other_masks_share_an_engine(model: ModelAdapter) -> None:
    engine = engine_of(model)
    other = StreamView(masks=(((0.5, 0.5), (1.0, 0.5), (1.0, 1.0)),))
    with engine.session() as session:
        handles = [
            session.add(FakeStream(samples_of(noise_pictures(16))), ASKS, view=view)
            for view in (VIEW, other, None)
        ]
        found = [list(handle) for handle in handles]
    for results, view in zip(found, (VIEW, other, None), strict=True):
        stream = FakeStream(samples_of(noise_pictures(16)))
        alone = list(engine_of(model).watch(stream, ASKS, view=view))
        assert [r.tokens for r in results] == [r.tokens for r in alone]
        for one, two in zip(results, alone, strict=True):
            assert one.answers[0].score == pytest.approx(two.answers[0].score, abs=1e-4)
    watch = engine_of(model).open(FakeStream(samples_of(noise_pictures(4))), ASKS, VIEW)
    check_integrity([watch])
