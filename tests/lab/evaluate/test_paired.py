"""Answers with what changed decoded beside those with everything decoded."""

from __future__ import annotations

from pathlib import Path

import pytest

from costream.lab.evaluate.datasets import Dataset, Event, Video, load_dataset
from costream.lab.evaluate.paired import decoding_tables, pair_decodings
from costream.lab.evaluate.policies import DEFAULT, REFERENCE, choose_policies
from costream.lab.evaluate.results import RESULTS, ResultStore, VideoResult, WindowResult
from costream.lab.evaluate.runner import Runner
from costream.models import ModelAdapter
from costream.settings import EngineSettings
from costream.video import DecodeCount

BASE = EngineSettings(fps=2, window=6, stride=2, frame_size=(128, 96))
FRAMES = 96

EVENTS = (Event("Smoke", 0, 49), Event("Fire", 100, 149))
SET = Dataset(
    "made up",
    (Video("x", Path("x.mp4"), frozenset({"Smoke", "Fire"}), EVENTS),),
    {"Smoke": "Smoke?", "Fire": "Fire?"},
    (),
)


def answered(
    scores: list[tuple[float, float]], kept: int, decoding: DecodeCount
) -> dict[str, VideoResult]:
    windows = (
        WindowResult(n, 2.0 * n, 2.0 * n + 4, pair, 10, 9, kept, 9, 9, 1, 1.0)
        for n, pair in enumerate(scores)
    )
    return {"x": VideoResult(25.0, tuple(windows), decoding)}


def test_a_policy_is_compared_with_itself() -> None:
    whole = answered([(0.9, 0.1), (0.2, 0.9)], 6, DecodeCount(all=150))
    auto = answered([(0.9, 0.1), (0.2, 0.4)], 5, DecodeCount(start=30, change=30, still=90))
    (row,) = pair_decodings(SET, {DEFAULT: whole}, {DEFAULT: auto}, EngineSettings())
    assert (row.policy, row.default, row.videos, row.answers) == (DEFAULT, True, 1, 4)
    assert (row.flips, row.yes_flips) == (pytest.approx(1 / 4), pytest.approx(1 / 2))
    assert row.flips_low < row.flips < row.flips_high
    assert (row.f1_all, row.f1_auto) == (1, pytest.approx(2 / 3))
    assert (row.event_recall_all, row.event_recall_auto) == (1, 0.5)
    assert (row.kept_all, row.kept_auto) == (pytest.approx(0.6), pytest.approx(0.5))
    assert (row.decoded, row.decoding) == (0.4, {"start": 30, "change": 30, "still": 90})
    pairs, reasons = decoding_tables([row]).split("\n\n")
    assert "| costream | 4 | 25.00% | 50.0% | 1.000 | 0.667 | 100.0% | 50.0% |" in pairs
    assert reasons.endswith("| costream | 20.0% | 20.0% | 60.0% |\n")


def test_what_was_answered_with_less_decoded_is_kept_apart(
    model: ModelAdapter, annotated: Path, tmp_path: Path
) -> None:
    policies, folder = choose_policies([DEFAULT, "random"]), tmp_path / "kept"
    dataset = load_dataset(annotated)
    fresh = Runner(model, "test", dataset, ResultStore(None)).run(policies, BASE, "auto")
    for _ in range(2):
        runner = Runner(model, "test", dataset, ResultStore(folder))
        whole, auto = (runner.run(policies, BASE, decode) for decode in ("all", "auto"))
        lines = (folder / RESULTS).read_text().splitlines()
        assert len(lines) == 2 * 5, "full recomputation decodes all, and once"
        for name, result in auto[DEFAULT].items():
            assert result.decoding.all == 0 and result.decoding.total == FRAMES
            assert result.scores.tolist() == fresh[DEFAULT][name].scores.tolist()
            for every in (whole[DEFAULT], whole[REFERENCE], auto[REFERENCE]):
                assert every[name].decoding == DecodeCount(all=FRAMES)
