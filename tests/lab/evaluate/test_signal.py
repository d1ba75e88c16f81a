import json
from pathlib import Path

import numpy as np
import pytest

from costream.errors import SettingsError, SourceError
from costream.lab.evaluate import signal
from costream.lab.evaluate.codec_gain import compare_evidence
from costream.lab.evaluate.detection import detect
from costream.lab.evaluate.judge import Judge
from costream.lab.evaluate.overhead import Overhead
from costream.lab.evaluate.signal import (
    SignalRow,
    SignalSetup,
    compare_pixels,
    signal_of_case,
    signal_of_file,
)
from costream.lab.evaluate.signal_case import RAMPS, SignalCase, quick_cases, signal_cases
from costream.lab.synth import EncoderSettings, LightChange, SyntheticCamera
from costream.pruning import KeepMask, PatchGrid, Pruner, PrunerSettings, change_rules
from tests.fakes import noise_pictures, samples_of

GRID = PatchGrid(8, 8, 2)


@pytest.fixture(autouse=True)
def untimed(monkeypatch):
    """Rows whose cost nobody looks at aren't timed, which reads the stream six times more.

    Those of ``rows`` are: a module's fixtures come before this one.
    """
    monkeypatch.setattr(signal, "measure_overhead", lambda open_stream, fps: Overhead(1.0, 1.0))


CLIPS = Path(__file__).parents[4] / "shared" / "clips"
BRIEF = {
    "dvrscan-motorway.mp4": 0.28,
    "intel-car-park.mp4": 0.34,
    "intel-one-by-one-person.mp4": 0.13,
    "dvrscan-brightness-change.avi": 0.20,
}
"""Share of groups that a pixel comparison was measured to keep between anchors."""


def looks(*values: float) -> np.ndarray:
    """Frames of 4 x 4 groups, each flat at one value."""
    return np.stack([np.full((4, 4, 4, 4), value, np.float32) for value in values])


class Scripted(Pruner):
    """Keeps what it is told."""

    name = "scripted"

    def __init__(self, masks: list[KeepMask]) -> None:
        super().__init__(GRID, PrunerSettings(anchor_every=1))
        self._masks = iter(masks)

    def decide(self, samples):
        return next(self._masks)


def kept(count: int) -> KeepMask:
    groups = np.zeros(16, np.bool_)
    groups[:count] = True
    return KeepMask(groups.reshape(4, 4), None)


def test_a_group_changed_when_it_differs_from_what_was_last_kept():
    judge = Judge(looks(100, 106, 112, 112))
    judge.keep(0, kept(16).groups)
    assert not judge.changed(range(1, 2)).any()
    assert judge.changed(range(2, 3)).all()
    judge.keep(2, kept(4).groups)
    assert judge.changed(range(3, 4)).sum() == 12


def test_a_temporal_patch_changed_where_any_of_its_frames_did():
    judge = Judge(looks(100, 120, 100))
    assert judge.changed(range(1, 3)).all()


def test_light_alone_is_no_change_and_dims_what_is_one():
    light = np.array([1.0, 0.5], np.float32)
    assert not Judge(looks(100, 100), light).changed(range(1, 2)).any()
    assert not Judge(looks(100, 114), light).changed(range(1, 2)).any()
    assert Judge(looks(100, 118), light).changed(range(1, 2)).all()


def test_the_camera_s_truth_is_where_its_visitors_are():
    camera = SyntheticCamera(seed=2, width=320, height=192, noise=6, every=8.0)
    boxes = [(index, camera.truth(index).boxes) for index in range(0, 600, 25)]
    index, (box, *_) = next((at, found) for at, found in boxes if len(found) == 1)
    grid = PatchGrid(24, 40, 2)  # groups of 16 x 16 pixels
    judge = Judge.of_camera(camera, [0, index], grid)
    rows, cols = np.nonzero(judge.changed(range(1, 2)))
    assert len(rows)
    assert box.left - 32 <= cols.min() * 16 and cols.max() * 16 <= box.right + 16
    assert box.top - 32 <= rows.min() * 16 and rows.max() * 16 <= box.bottom + 16


def test_hits_and_misses_are_counted_outside_whole_frames():
    samples = samples_of(noise_pictures(4))
    masks = [KeepMask.whole(GRID, "first"), kept(4), KeepMask.whole(GRID, "light"), kept(8)]
    found = detect(Scripted(masks), samples, Judge(looks(0, 50, 0, 50)))
    assert found.keep == pytest.approx((4 + 8) / 32)
    assert found.overall == pytest.approx((16 + 4 + 16 + 8) / 64)
    assert found.recall == pytest.approx((4 + 8) / 32)
    assert found.precision == 1
    assert found.changed == 1
    assert found.whole == {"first": 1, "light": 1}
    assert found.scenes == {}


def test_what_was_recognised_is_counted():
    samples = samples_of(noise_pictures(3))
    masks = [KeepMask.whole(GRID, "first"), *(KeepMask(kept(1).groups, None, "shake"),) * 2]
    assert detect(Scripted(masks), samples, Judge(looks(0, 0, 0))).scenes == {"shake": 2}


def test_where_all_is_kept_whole_nothing_is_claimed_to_be_saved():
    samples = samples_of(noise_pictures(2))
    masks = [KeepMask.whole(GRID, "first"), KeepMask.whole(GRID, "age")]
    assert detect(Scripted(masks), samples, Judge(looks(0, 0))).keep == 1


def test_the_pixel_comparison_is_counted_outside_its_anchors():
    samples = samples_of(noise_pictures(6))
    assert compare_pixels(samples, SignalSetup(grid=GRID, anchor_every=2)) == 1
    still = samples_of([samples[0].picture] * 6)
    assert compare_pixels(still, SignalSetup(grid=GRID, anchor_every=2)) == 0


def row(codec: str, pruner: str, recall: float, keep: float = 0.1) -> SignalRow:
    return SignalRow(
        source="x",
        codec=codec,
        setting="",
        pruner=pruner,
        keep=keep,
        overall=keep,
        recall=recall,
        precision=0.9,
        cost=1.1,
        changed=0.1,
        pixel_keep=0.1,
        whole={},
        scenes={},
        default=False,
    )


def test_the_codec_s_share_is_told_codec_by_codec():
    rows = [
        row("h264", "last-kept", 0.99),
        row("h264", "last-kept-codec", 0.9, keep=0.2),
        row("h264", "last-kept-codec", 0.8, keep=0.4),
        row("h264", "last-kept-residual", 1.0),
        row("h264", "none", 1.0),
        row("hevc", "last-kept", 0.99),
    ]
    luma, codec, residual = compare_evidence(rows)
    assert (luma.codec, luma.pruner, luma.streams) == ("h264", "last-kept", 1)
    assert (codec.pruner, codec.streams) == ("last-kept-codec", 2)
    assert (codec.keep, codec.recall, codec.least) == pytest.approx((0.3, 0.85, 0.8))
    assert (residual.pruner, residual.recall) == ("last-kept-residual", 1.0)


def test_a_blind_rule_is_judged_on_its_whole_frames():
    samples = samples_of(noise_pictures(2))
    masks = [KeepMask.whole(GRID, "first"), KeepMask.whole(GRID, "blind")]
    found = detect(Scripted(masks), samples, Judge(looks(0, 0)))
    assert (found.recall, found.precision) == (1, 0)


def test_cost_is_a_ratio_to_plain_decoding():
    overhead = Overhead(plain=2.0, extracting=3.0)
    assert overhead.cost(0.5, vectors=False) == 1.25
    assert overhead.cost(0.5, vectors=True) == 1.75


def test_the_grid_varies_what_it_should():
    cases = signal_cases()
    assert {case.codec for case in cases} == {"x264", "x265"}
    assert len({(case.codec, case.setting) for case in cases}) == len(cases)
    assert {case.encoder.gop for case in cases} >= {12, 50, 250}
    assert {case.encoder.bframes for case in cases} == {0, 3}
    assert any(case.encoder.bit_rate for case in cases) and any(case.lights for case in cases)
    assert [case.codec for case in quick_cases()] == ["x264", "x265"]


HARD = [
    SignalCase("usual", EncoderSettings()),
    SignalCase("starved", EncoderSettings(crf=33, bframes=3, gop=250)),
    SignalCase("hevc", EncoderSettings(codec="libx265", crf=28, preset="ultrafast")),
    SignalCase("ramp", EncoderSettings(gop=12), lights=(LightChange(8.2, 2.0, 0.8),)),
    SignalCase("noise", EncoderSettings(bit_rate=400_000), noise=4.0),
]


@pytest.mark.parametrize("case", HARD, ids=lambda case: case.setting)
def test_the_default_rule_finds_what_changed(case):
    (row,) = signal_of_case(case, SignalSetup(seconds=24.0, pruners=("last-kept",)))
    assert row.default
    assert (row.source, row.codec, row.setting) == ("synthetic", case.codec, case.setting)
    assert 0.02 < row.changed < 0.2
    assert row.recall >= 0.98
    assert row.precision >= 0.7


STARVED = EncoderSettings(crf=33)
WEAKEST = [
    (7, 40.0, SignalCase("noise 4", STARVED, noise=4.0)),
    (3, 40.0, SignalCase("ramps", STARVED, lights=RAMPS)),
    (3, 30.0, SignalCase("noise 8", EncoderSettings(bit_rate=400_000), noise=8.0)),
    (3, 40.0, SignalCase("waves", EncoderSettings(codec="libx265", crf=28), drift=0.08)),
]


@pytest.mark.parametrize(
    ("seed", "seconds", "case"), WEAKEST, ids=[case.setting for *_, case in WEAKEST]
)
def test_the_default_rule_holds_where_it_was_found_weakest(seed, seconds, case):
    (row,) = signal_of_case(case, SignalSetup(seconds=seconds, seed=seed, pruners=("last-kept",)))
    assert row.recall >= 0.98
    assert row.precision >= 0.7
    assert not {"shake", "pan"} & set(row.scenes)


def test_residuals_sharpen_the_rule_on_a_stream_of_h265():
    pytest.importorskip("costream._bitstream", reason="built without the bitstream readers")
    encoder = EncoderSettings(codec="libx265", crf=28)
    case = SignalCase("small", encoder, width=320, height=192)
    names = ("last-kept", "last-kept-residual")
    luma, residual = signal_of_case(case, SignalSetup(seconds=24.0, seed=3, pruners=names))
    assert residual.recall >= max(luma.recall, 0.99)
    assert residual.precision > luma.precision + 0.02
    assert residual.keep < luma.keep


@pytest.fixture(scope="module")
def rows() -> list[SignalRow]:
    return signal_of_case(SignalCase("usual", EncoderSettings()), SignalSetup(seconds=16.0))


def test_every_registered_rule_has_a_row(rows):
    assert [row.pruner for row in rows] == list(change_rules())
    assert [row.pruner for row in rows if row.default] == ["last-kept"]
    everything = json.loads(json.dumps([row.to_dict() for row in rows]))[0]
    assert everything["keep"] == everything["recall"] == 1
    assert {"source", "codec", "setting", "pruner", "keep", "recall", "precision", "cost"} <= set(
        everything
    )


def test_the_published_rule_saves_next_to_nothing_and_the_default_does(rows):
    keep = {row.pruner: row.keep for row in rows}
    assert keep["last-kept"] < 0.5 * keep["codecflow-v4"]


def test_a_row_is_drawn(rows, tmp_path):
    pytest.importorskip("matplotlib")
    from costream.lab.evaluate.signal_plots import plot_signal

    assert all(path.stat().st_size > 5000 for path in plot_signal(rows, tmp_path))


def test_without_matplotlib_plots_are_refused(rows, tmp_path, monkeypatch):
    from costream.lab.evaluate.signal_plots import plot_signal

    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(SettingsError, match="plots"):
        plot_signal(rows, tmp_path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(SourceError):
        signal_of_file(tmp_path / "nowhere.mp4", SignalSetup())


@pytest.mark.parametrize("name", BRIEF)
def test_on_real_clips_the_default_is_near_the_pixel_comparison(name):
    if not (CLIPS / name).exists():
        pytest.skip(f"the clip {name} is not here")
    (row,) = signal_of_file(CLIPS / name, SignalSetup(anchor_every=16, pruners=("last-kept",)))
    assert row.recall >= 0.97
    assert row.keep <= 1.3 * row.pixel_keep
    assert row.keep <= 1.3 * BRIEF[name]
    if name == "intel-one-by-one-person.mp4":
        assert row.overall <= 0.2
