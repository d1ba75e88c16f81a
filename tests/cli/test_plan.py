"""``costream plan`` counts what it would take, from a configuration alone."""

from __future__ import annotations

import json
import os
import shutil
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.models.real import published_files

DEVICE = ("--gpu-memory", "24GiB", "--cores", 2)
SOURCE = ("--source", "640x360@25")

EIGHT_BILLION = {
    "text_config": {
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "tie_word_embeddings": False,
    },
    "vision_config": {
        "depth": 27,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "out_hidden_size": 4096,
        "deepstack_visual_indexes": [8, 16, 24],
    },
}
"""What Qwen3-VL 8B has other than 4B."""


def configuration(path: Path, changes: dict[str, dict[str, Any]] | None = None) -> Path:
    """Writes what is known of Qwen3-VL 4B without its weights, with some of it changed."""
    folder = published_files("Qwen3-VL-4B-Instruct")
    shutil.copyfile(
        folder / "video_preprocessor_config.json", path / "video_preprocessor_config.json"
    )
    config = json.loads((folder / "config.json").read_text())
    for part, values in (changes or {}).items():
        config[part] |= values
        config["tie_word_embeddings"] = values.get(
            "tie_word_embeddings", config["tie_word_embeddings"]
        )
    (path / "config.json").write_text(json.dumps(config))
    return path


def test_a_configuration_alone_is_enough(costream: Command, tmp_path: Path) -> None:
    model = configuration(tmp_path)
    found = json.loads(costream("plan", "--model", model, *DEVICE, *SOURCE, "--json").out)
    row = 2 * 36 * 2 * 8 * 128
    memory = 2 * 24 * 2 * 880 * 1024
    assert found["row_bytes"] == row
    assert found["page"] == {"rows": 5, "features": 36}
    # 80 frames are 40 pairs, of which the next window shares 32, of 220 groups: one whole, 31 of
    # 33, labels of at most 11 tokens, and 187 groups that were last kept before.
    visual = {"quiet": 220 + 31 * 33 + 187, "busy": 220 + 31 * 132 + 88, "worst": 32 * 220}
    assert found["stream_bytes"] == {
        name: (tokens + 352 + 5 * ceil(tokens / 36)) * row + memory
        for name, tokens in visual.items()
    }
    assert found["prompt_bytes"] == 4 * row
    assert found["weight_bytes"] == 2 * 4_437_815_808
    left = 24 * 2**30 - found["weight_bytes"] - found["prompt_bytes"]
    assert found["cameras"]["memory"] == {
        name: (left - found["scratch_bytes"][name]) // taken
        for name, taken in found["stream_bytes"].items()
    }
    assert found["cameras"]["compute"] is None
    assert found["cameras"]["decode"] == int(2 * 160 * 9 / 25)
    assert any("--tflops" in note for note in found["assumed"])
    assert any("no tokenizer" in note for note in found["assumed"])


def test_qwen3_vl_8b_s_quiet_stream(costream: Command, tmp_path: Path) -> None:
    model = configuration(tmp_path, EIGHT_BILLION)
    found = json.loads(costream("plan", "--model", model, *DEVICE, *SOURCE, "--json").out)
    assert found["weight_bytes"] == 2 * 8_767_123_696
    assert found["row_bytes"] == 147_456
    assert found["stream_bytes"]["quiet"] == (1782 + 2 * 159) * 147_456 + 2 * 27 * 2 * 880 * 1152


@pytest.mark.parametrize(("changes", "most"), [(EIGHT_BILLION, 0.45), (None, 0.40)])
def test_a_quiet_stream_is_small_at_its_worst_moment_and_every_part_is_told(
    costream: Command, tmp_path: Path, changes: dict[str, dict[str, Any]] | None, most: float
) -> None:
    model = configuration(tmp_path, changes)
    found = json.loads(costream("plan", "--model", model, *DEVICE, *SOURCE, "--json").out)
    (stream,) = found["sources"]
    assert found["stream_bytes"]["quiet"] <= most * 2**30
    parts = stream["parts_bytes"]["quiet"]
    assert set(parts) == {"kept", "labels", "before", "features", "encoder_memory"}
    assert sum(parts.values()) == stream["stream_bytes"]["quiet"]
    # Labels have no features, and the encoder's memory is there from window to window.
    assert parts["labels"] == stream["rows"]["quiet"]["labels"] * found["row_bytes"]
    assert parts["encoder_memory"] == stream["encoder_memory_bytes"]


def test_eight_bits_halve_keys_and_values(costream: Command, checkpoint: Path) -> None:
    options = ("plan", "--model", checkpoint, *DEVICE, *SOURCE, "--json")
    plain, packed = (
        json.loads(costream(*options, *extra).out) for extra in ((), ("--kv-dtype", "int8"))
    )
    # Three layers of keys and values of two heads, of 16 numbers each.
    assert plain["row_bytes"] - packed["row_bytes"] == 3 * 2 * 2 * (16 * 2 - 16 - 2)
    assert packed["cameras"]["memory"]["quiet"] > plain["cameras"]["memory"]["quiet"]
    assert packed["weight_bytes"] == plain["weight_bytes"]


def test_a_mix_is_of_all_kinds_in_equal_parts(costream: Command, checkpoint: Path) -> None:
    options = ("plan", "--model", checkpoint, *DEVICE, "--tflops", 0.5, "--json")
    kinds = ("640x360@25", "1920x1080@10")
    first, second, mix = (
        json.loads(costream(*options, *(p for kind in some for p in ("--source", kind))).out)
        for some in (kinds[:1], kinds[1:], kinds)
    )
    for name in ("quiet", "busy", "worst"):
        for figure in ("stream_bytes", "window_flops"):
            mean = (first[figure][name] + second[figure][name]) / 2
            assert mix[figure][name] == pytest.approx(mean, abs=1)
        assert mix["cameras"]["compute"][name] == int(8 * 0.5e12 / mix["window_flops"][name])
    assert [kind["source"] for kind in mix["sources"]] == list(kinds)
    assert mix["cameras"]["decode"] == int(2 * 160 / ((25 / 9 + 10) / 2))


def test_settings_decide_about_windows(costream: Command, checkpoint: Path) -> None:
    options = ("--window", 10, "--stride", 2, "--fps", 4, "--frame-size", "96x64")
    result = costream("plan", "--model", checkpoint, *DEVICE, *SOURCE, *options, "--json")
    (stream,) = json.loads(result.out)["sources"]
    assert (stream["groups"], stream["frame_size"]) == (6, [96, 64])
    assert stream["rows"]["worst"]["kept"] == 16 * 6
    assert stream["rows"]["worst"]["arriving"] - 4 * 6 == stream["rows"]["worst"]["labels"] / 4


def test_the_table_fits_a_terminal_and_says_what_is_assumed(
    costream: Command, checkpoint: Path
) -> None:
    options = ("--model", checkpoint, "--gpu-memory", "24GiB", "--source", "1920x1080@25")
    result = costream("plan", *options, "--source", "640x360@25", "--kv-dtype", "int8")
    assert result.status == 0
    title, *lines = result.out.splitlines()
    assert title == f"{checkpoint} (bfloat16, keys and values int8)"
    assert max(map(len, lines)) <= 80
    out = " ".join(result.out.split())
    for part in (
        "quiet, 15% busy, 60% worst, 100%",
        "cameras by memory",
        "1920x1080@25 at 1152x640",
        "Cameras by compute are not known",
        f"{len(os.sched_getaffinity(0))} cores decode, each 160 frames of 1920x1080",
        "Cameras are of all kinds in equal parts",
    ):
        assert part in out
    assert "no tokenizer" not in out


def test_a_model_that_does_not_fit_is_told(costream: Command, checkpoint: Path) -> None:
    options = ("--model", checkpoint, "--gpu-memory", "1MB", *SOURCE)
    found = json.loads(costream("plan", *options, "--json").out)
    assert set(found["cameras"]["memory"].values()) == {0}
    assert any("no camera fits" in note for note in found["assumed"])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "it has no config.json"),
        ({"config.json": '{"model_type": "bert"}'}, "models of type 'bert' are not supported"),
        ({"config.json": "[]"}, "names a model_type"),
        ({"config.json": "{"}, "unknown model"),
        ({"config.json": '{"model_type": "qwen3_vl"}'}, "has no video_preprocessor_config.json"),
    ],
)
def test_configurations_that_can_t_be_used_are_one_sentence(
    costream: Command, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    result = costream("plan", "--model", tmp_path, *DEVICE, *SOURCE)
    assert (result.status, result.out) == (1, "")
    assert (message in result.err and str(tmp_path) in result.err) or "bert" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--source", "8x2048@25"), "no model takes pictures of 8x2048"),
        ((*SOURCE, "--frame-size", "100x100"), "both sides must be multiples of 32"),
        ((*SOURCE, "--stride", "3.3"), "a whole number of frames"),
    ],
)
def test_what_does_not_fit_the_model_is_one_sentence(
    costream: Command, checkpoint: Path, options: tuple[str, ...], message: str
) -> None:
    result = costream("plan", "--model", checkpoint, *DEVICE, *options)
    assert (result.status, result.out) == (1, "")
    assert message in result.err and result.err.count("\n") == 1
