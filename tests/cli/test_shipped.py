"""The weights that ship, judged on videos that went through an encoder: what the docs say of them.

Measured on this subset: F1 0.91 of full recomputation and of the default, all events found, 0.3% of
the answers flipped. The bounds are wider: they notice weights, preprocessing or reuse that broke.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from costream.lab.synth.dataset import ANNOTATIONS, LISTS, draw_recipes, write_video
from tests.cli.conftest import Command

VIDEOS = 20

RESTING = ("Panic2001_x264.mp4", "Normal2002_x265.mp4")
"""Test videos that come to rest, so that not all of their pictures are decoded."""


@pytest.mark.timeout(1200)
def test_twenty_videos_say_what_the_docs_say(
    costream: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = costream("evaluate", "--videos", VIDEOS, "--policies", "full,costream", "--json")
    assert result.status == 0
    full, default = json.loads(result.out)
    assert (full["policy"], default["policy"]) == ("full", "costream")
    assert default["default"] and full["videos"] == VIDEOS
    assert full["auc"] > 0.92
    assert full["f1"] > 0.86
    assert min(full["event_recall"], default["event_recall"]) >= 0.9
    assert default["f1"] > full["f1"] - 0.015
    assert default["flips"] < 0.015
    assert default["vision_saved"] >= 0.9
    assert default["flops_saved"] >= 0.87
    assert default["video_flops_saved"] >= 0.9


def test_what_is_not_decoded_changes_no_answer(costream: Command, tmp_path: Path) -> None:
    recipes = [r for r in draw_recipes("test", 12, 0) if Path(r.name).name in RESTING]
    assert len(recipes) == len(RESTING)
    for recipe in recipes:
        (tmp_path / recipe.name).parent.mkdir()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        rows = list(pool.map(write_video, recipes, [tmp_path] * len(recipes)))
    (tmp_path / LISTS["test"]).write_text("".join(f"{recipe.name}\n" for recipe in recipes))
    (tmp_path / ANNOTATIONS).write_text("".join(rows))
    options = ("--policies", "costream", "--decode", "all,auto", "--json")
    result = costream("evaluate", "--dataset", tmp_path, *options)
    assert result.status == 0
    (pair,) = json.loads(result.out)
    assert pair["answers"] > 200
    assert pair["event_recall_all"] == pair["event_recall_auto"] == 1
    assert pair["flips"] <= 0.003
    assert abs(pair["f1_all"] - pair["f1_auto"]) <= 0.006
    assert pair["decoded"] < 0.85 and pair["decoding"]["still"] > 100
