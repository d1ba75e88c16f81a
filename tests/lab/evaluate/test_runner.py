"""Policies over really encoded videos, with an untrained model: counts are real, answers not."""

from __future__ import annotations

from pathlib import Path

import pytest

from costream.engine.engine import Engine
from costream.lab.evaluate.accuracy import AccuracyRow, rate_policies
from costream.lab.evaluate.datasets import load_dataset
from costream.lab.evaluate.evaluation import Evaluation
from costream.lab.evaluate.policies import DEFAULT, POLICIES, REFERENCE, choose_policies
from costream.lab.evaluate.results import RESULTS, ResultStore
from costream.lab.evaluate.runner import Runner
from costream.lab.evaluate.sensitivity import AXES
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.video import Stream

BASE = EngineSettings(fps=2, window=6, stride=2, frame_size=(128, 96))
CELLS = 4 * 3


def run(model: ModelAdapter, folder: Path, names: list[str], out: Path | None = None):
    runner = Runner(model, "test", load_dataset(folder), ResultStore(out))
    return runner, runner.run(choose_policies(names), BASE)


@pytest.fixture(scope="module")
def rows(model: ModelAdapter, annotated: Path) -> dict[str, AccuracyRow]:
    _, results = run(model, annotated, [])
    return {
        row.policy: row for row in rate_policies(load_dataset(annotated), results, EngineSettings())
    }


def test_every_policy_has_a_row(rows: dict[str, AccuracyRow]) -> None:
    assert list(rows) == list(POLICIES)
    assert [name for name, row in rows.items() if row.default] == [DEFAULT]
    assert {row.videos for row in rows.values()} == {2}
    assert all(0 <= row.f1 <= 1 and row.windows_per_s > 0 for row in rows.values())


def test_each_question_is_calibrated_for_itself(model: ModelAdapter, annotated: Path) -> None:
    dataset = load_dataset(annotated)
    _, results = run(model, annotated, [REFERENCE, DEFAULT])
    first, *others = dataset.questions
    odds = {dataset.questions[other]: 1 - 1e-9 for other in others}
    only = EngineSettings(calibration={**odds, dataset.questions[first]: 1e-9})
    row = rate_policies(dataset, results, only)[0]
    positive = sum(first in video.categories for video in dataset.videos)
    assert row.recall == pytest.approx(positive / sum(len(v.categories) for v in dataset.videos))
    assert others


def test_what_is_kept_is_what_the_model_said(model: ModelAdapter, annotated: Path) -> None:
    dataset = load_dataset(annotated)
    odds = dict.fromkeys(dataset.questions.values(), 0.9)
    calibrated = BASE.model_copy(update={"calibration": odds})
    kept = Runner(model, "test", dataset, ResultStore(None)).run(
        choose_policies([REFERENCE]), calibrated
    )
    _, plain = run(model, annotated, [REFERENCE])
    for name, result in plain[REFERENCE].items():
        assert (kept[REFERENCE][name].scores == result.scores).all()
        assert (result.calibrated(list(odds), calibrated).scores < result.scores).all()


def test_full_recomputation_saves_nothing_and_flips_nothing(rows: dict[str, AccuracyRow]) -> None:
    full = rows[REFERENCE]
    assert (full.flips, full.tokens_saved, full.flops_saved, full.kept) == (0, 0, 0, 1)


def test_savings_are_where_they_belong(rows: dict[str, AccuracyRow]) -> None:
    """Four windows of six patches a video, one patch new in each but the first."""
    reuse = 1 - (6 + 3 * 2) / (4 * 6)
    assert rows["refresh-only"].vision_saved == pytest.approx(reuse)
    assert rows["evs"].vision_saved == pytest.approx(reuse), "the encoder sees everything"
    assert rows["evs"].prefill_saved > 0.3
    assert rows["prune-only"].vision_saved == rows[DEFAULT].vision_saved > reuse
    assert rows["prune-only"].prefill_saved < rows[DEFAULT].prefill_saved
    # No anchor lies in the overlap of so short a stream, so that there is none to refresh.
    assert rows["anchors"].flops_saved == rows[DEFAULT].flops_saved
    assert rows[DEFAULT].flops_saved > rows["refresh-only"].flops_saved
    assert all(row.video_flops_saved >= row.flops_saved for row in rows.values())


@pytest.mark.parametrize("name", ["random", "low-fps", "recent", "evs"])
def test_baselines_get_the_default_s_budget(rows: dict[str, AccuracyRow], name: str) -> None:
    """Up to the grain of a whole patch where patches are kept whole."""
    row = rows[name]
    held = 1 - row.prefill_saved if name == "recent" else row.kept
    grain = 1 / CELLS if name in ("random", "evs") else 1 / 6
    assert held == pytest.approx(rows[DEFAULT].kept, abs=grain)


def test_the_reference_is_the_stock_way(model: ModelAdapter, annotated: Path) -> None:
    """Every window from scratch is what an engine says that begins with that window."""
    _, results = run(model, annotated, [REFERENCE])
    settings = POLICIES[REFERENCE].settings(BASE, None)
    dataset = load_dataset(annotated)
    video = dataset.videos[0]
    with Stream(video.path) as stream:
        engine = Engine(model, settings)
        answered = list(engine.watch(stream, list(dataset.questions.values())))
    for one, window in zip(answered, results[REFERENCE][video.name].windows, strict=True):
        ours = [answer.score for answer in one.answers]
        assert window.scores == pytest.approx(ours, abs=1e-4)
        assert (window.encoded, window.prefilled) == (one.tokens.full, one.tokens.full)
        assert window.flops == pytest.approx(one.flops.full, rel=0.02)
        assert (window.start, window.end) == (one.start, one.end)


def test_a_video_that_can_t_be_read_is_told_and_left_out(
    model: ModelAdapter, annotated: Path
) -> None:
    runner, results = run(model, annotated, [DEFAULT])
    assert set(results[DEFAULT]) == {"Fall1_x264.mp4", "Normal1_x264.mp4"}
    (problem,) = runner.problems
    assert problem.startswith("Torn1_x264.mp4 is left out: can't open")


def test_an_interrupted_evaluation_goes_on(
    model: ModelAdapter, annotated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = run(model, annotated, [DEFAULT], tmp_path)
    file = tmp_path / RESULTS
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == 4
    file.write_text("".join(lines[:2]) + lines[2][:40])
    opened = []
    monkeypatch.setattr(
        "costream.lab.evaluate.runner.Stream",
        lambda path, **settings: opened.append(path.name) or Stream(path, **settings),
    )
    _, resumed = run(model, annotated, [DEFAULT], tmp_path)
    assert "Fall1_x264.mp4" not in opened and "Normal1_x264.mp4" in opened
    assert scores(resumed) == scores(whole)


def scores(results) -> dict:
    return {
        (policy, name): [window.scores for window in result.windows]
        for policy, found in results.items()
        for name, result in found.items()
    }


def test_other_settings_are_measured_anew(
    model: ModelAdapter, annotated: Path, tmp_path: Path
) -> None:
    run(model, annotated, [DEFAULT], tmp_path)
    runner = Runner(model, "test", load_dataset(annotated), ResultStore(tmp_path))
    other = BASE.model_copy(update={"stride": 3.0})
    results = runner.run(choose_policies([DEFAULT]), other)
    assert [w.start for w in results[DEFAULT]["Fall1_x264.mp4"].windows] == [0, 3, 6]


def test_the_sensitivity_varies_one_setting_at_a_time(
    model: ModelAdapter, annotated: Path, tmp_path: Path
) -> None:
    evaluation = Evaluation(
        Engine(model, BASE),
        "test",
        load_dataset(annotated).take(1),
        None,
        lambda what, done, of: None,
    )
    report = evaluation.run(choose_policies([DEFAULT]), sensitivity=True)
    by_axis = {axis: [p for p in report.points if p.axis == axis] for axis in AXES}
    assert all(by_axis.values())
    for axis, points in by_axis.items():
        at_base = [p.f1 for p in points if p.base and p.policy == DEFAULT]
        assert axis == "keep" or at_base == [report.rows[1].f1]
    dense, sparse = by_axis["anchor_every"][1], by_axis["anchor_every"][-1]
    assert dense.value < sparse.value and dense.tokens_saved < sparse.tokens_saved
    files = {path.name: path for path in evaluation.write(report, tmp_path)}
    assert {"accuracy.png", "kinds.png", "sensitivity.png"} <= set(files)
    assert files["accuracy.md"].read_text().count("\n") == 4
    assert "**costream**" in files["accuracy.md"].read_text()
    assert files["sensitivity.csv"].read_text().count("\n") == 1 + len(report.points)


def test_answers_of_other_weights_under_the_same_name_are_not_taken_up(
    model: ModelAdapter,
    moe_model: ModelAdapter,
    annotated: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, first = run(model, annotated, [REFERENCE], tmp_path)
    _, other = run(moe_model, annotated, [REFERENCE], tmp_path)
    file = tmp_path / RESULTS
    assert caplog.messages == [f"{file}: kept results are left aside: 4 of other weights"]
    assert scores(other) != scores(first)
    _, again = run(model, annotated, [REFERENCE], tmp_path)
    assert scores(again) == scores(first)
    assert len(file.read_text().splitlines()) == 8


def test_a_video_of_another_size_is_measured_anew(
    model: ModelAdapter, annotated: Path, tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(annotated, tmp_path / "set"))
    run(model, folder, [DEFAULT], tmp_path)
    shutil.copy(folder / "Normal/Normal1_x264.mp4", folder / "Fall/Fall1_x264.mp4")
    _, results = run(model, folder, [DEFAULT], tmp_path)
    fall, normal = results[DEFAULT]["Fall1_x264.mp4"], results[DEFAULT]["Normal1_x264.mp4"]
    assert fall.scores.tolist() == normal.scores.tolist()
