from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from costream.cli import layout
from costream.engine.attention.backends import FlexBackend
from costream.engine.refresh import REFRESH
from costream.lab.synth import SyntheticCamera, encode
from costream.models.stock import StockAdapter
from costream.pruning import PRUNERS
from tests.cli.conftest import Command
from tests.video import encode as small_clips

KEYS = {
    "stream",
    "index",
    "start",
    "end",
    "answers",
    "frames",
    "anchors",
    "damaged",
    "decoding",
    "motion",
    "tokens",
    "flops",
    "seconds",
    "wall",
    "lag",
    "rows",
    "rebased",
    "asked_since",
    "point",
    "moves",
    "confirmation",
}
SMALL = ("--window", 4, "--stride", 2, "--frame-size", "128x96")
CLIPS = Path(__file__).parents[3] / "shared" / "clips"


def results(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def assert_adds_up(tokens: dict[str, int]) -> None:
    shown = tokens["kept"] + tokens["carried"]
    assert tokens["prefilled"] + tokens["referring"] + tokens["reused"] == shown <= tokens["full"]


@pytest.mark.parametrize("refresh", list(REFRESH))
@pytest.mark.parametrize("pruner", list(PRUNERS))
def test_json_lines_keep_their_contract(
    costream: Command,
    camera: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    pruner: str,
    refresh: str,
) -> None:
    # Read in this process, as on one core, which makes fifty runs a quarter quicker.
    monkeypatch.setattr(layout, "cores", lambda: 1)
    options = ("--model", checkpoint, "--pruner", pruner, "--refresh", refresh, "--json", *SMALL)
    result = costream("run", camera, "--ask", "Is it?", "--ask", "Or not?", *options)
    assert (result.status, result.err) == (0, "")
    lines = results(result.out)
    assert [(v["index"], v["start"], v["end"]) for v in lines] == [
        (i, 2.0 * i, 2.0 * i + 4) for i in range(5)
    ]
    for window in lines:
        assert set(window) == KEYS
        assert window["wall"] is None and window["lag"] is None
        assert_adds_up(window["tokens"])
        assert [a["ask"] for a in window["answers"]] == ["Is it?", "Or not?"]
        assert all(0 <= a["score"] <= 1 for a in window["answers"])
        assert window["damaged"] == 0


def test_answers_are_those_of_any_attention_backend(
    costream: Command, camera: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, plan = [], FlexBackend.plan
    monkeypatch.setattr(FlexBackend, "plan", lambda *args: used.append(1) or plan(*args))
    found = []
    for attention in ("sdpa", "flex"):
        options = ("--model", checkpoint, "--attention", attention, "--json", *SMALL)
        result = costream("run", camera, "--ask", "Is it?", *options)
        assert (result.status, result.err) == (0, "")
        found.append([v["answers"][0]["score"] for v in results(result.out)])
        assert bool(used) == (attention == "flex")
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_plain_output_names_what_was_saved(
    costream: Command, camera: Path, checkpoint: Path
) -> None:
    result = costream("run", camera, "--ask", "Is it [bold]red[/]?", "--model", checkpoint, *SMALL)
    assert result.status == 0
    assert "Is it [bold]red[/]?" in result.out
    assert "of the FLOPs" in result.out.splitlines()[-1]


def test_text_is_written_on_request(costream: Command, camera: Path, checkpoint: Path) -> None:
    options = ("--model", checkpoint, "--json", *SMALL)
    silent = costream("run", camera, "--ask", "Is it?", *options)
    spoken = costream("run", camera, "--ask", "Is it?", "--text", *options)
    assert all(v["answers"][0]["text"] is None for v in results(silent.out))
    assert all(isinstance(v["answers"][0]["text"], str) for v in results(spoken.out))
    assert all(v["seconds"]["generate"] > 0 for v in results(spoken.out))


BRIEF = ("--fps", 4, "--window", 1, "--stride", 0.5, "--frame-size", "128x96")


def test_what_a_budget_changes_is_told_with_its_reason(
    costream: Command, camera: Path, checkpoint: Path
) -> None:
    options = ("--ask", "Is it?", "--model", checkpoint, *BRIEF, "--budget", "100%")
    lines = results(costream("run", camera, *options, "--json").out)
    moves = [move for line in lines for move in line["moves"]]
    assert moves
    assert lines[0]["point"] == moves[0]["before"]["text"] == "usual"
    assert lines[-1]["point"] == moves[-1]["after"]["text"] != "usual"
    assert "of full recomputation" in moves[0]["reason"]
    plain = costream("run", camera, *options).out
    assert f"usual -> {moves[0]['after']['text']}: {moves[0]['reason']}" in plain


def test_a_bound_of_disagreement_has_windows_checked(
    costream: Command, camera: Path, checkpoint: Path
) -> None:
    options = ("--ask", "Is it?", "--model", checkpoint, *BRIEF, "--audit", "100%")
    done = costream("run", camera, *options, "--max-disagreement", "2%", "--json")
    assert (done.status, done.err) == (0, "")
    lines = results(done.out)
    reports = [line["audit"] for line in lines if "audit" in line]
    assert len(lines) - len(reports) == 23
    assert reports[-1]["checked"] == reports[-1]["windows"] == 23
    plain = costream("run", camera, *options).out
    assert "23 of 23 windows run in full as well: " in plain
    assert "of all answers differ from those of full recomputation (95% sure)" in plain


def test_an_answer_that_turns_to_yes_is_confirmed(
    costream: Command, camera: Path, checkpoint: Path
) -> None:
    options = ("--ask", "Is it?", "--model", checkpoint, *BRIEF, "--confirm", "--threshold", 0)
    done = costream("run", camera, *options, "--json")
    assert (done.status, done.err) == (0, "")
    first, *others = [line["confirmation"] for line in results(done.out)]
    assert (first["risen"], first["upheld"]) == (1, 1) and first["waited"] > 0
    assert others == [None] * 22
    plain = costream("run", camera, *options).out
    assert plain.splitlines()[-1] == "1 of 1 answer that turned to yes upheld in full"


@pytest.mark.parametrize("limit", [1, 5])
def test_written_text_is_cut_off_where_told(
    costream: Command,
    camera: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
) -> None:
    monkeypatch.setattr(StockAdapter, "decode", lambda self, ids: str(len(ids)))
    options = ("--text", "--max-text-tokens", limit, "--model", checkpoint, "--json", *SMALL)
    result = costream("run", camera, "--ask", "Is it?", *options)
    assert {v["answers"][0]["text"] for v in results(result.out)} == {str(limit)}


def test_a_codec_without_vectors_says_so(
    costream: Command, tmp_path: Path, checkpoint: Path
) -> None:
    clip = tmp_path / "pictures.mkv"
    small_clips.encode(clip, small_clips.panning(20), "mjpeg", rate=4, pixels="yuvj420p")
    options = ("--model", checkpoint, "--pruner", "codecflow-v4", "--json", *SMALL)
    lines = results(costream("run", clip, "--ask", "Is it?", *options).out)
    assert {v["motion"] for v in lines} == {"none"}
    assert all(v["tokens"]["kept"] == v["tokens"]["full"] for v in lines)


def test_reads_standard_input(camera: Path, checkpoint: Path, tmp_path: Path) -> None:
    source = SyntheticCamera(2, width=320, height=180, fps=4)
    clip = encode((source.frame(i) for i in range(20)), tmp_path / "camera.ts", fps=4)
    command = [sys.executable, "-c", "from costream.cli import main; main()"]
    command += ["run", "-", "--ask", "Is it?", "--model", str(checkpoint), "--json"]
    command += map(str, SMALL)
    with clip.open("rb") as pipe:
        done = subprocess.run(command, stdin=pipe, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(results(done.stdout)) == 2


def test_a_reader_that_leaves_ends_the_command_quietly(camera: Path, checkpoint: Path) -> None:
    command = [sys.executable, "-c", "from costream.cli import main; main()"]
    command += ["run", str(camera), "--ask", "Is it?", "--model", str(checkpoint), "--json"]
    command += map(str, SMALL)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(120) == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nofile.mp4", "--ask", "x"), "no such file"),
        ((".", "--ask", "x"), "directory"),
        (("{camera}", "--ask", ""), "a question is empty"),
        (("{camera}", "--ask", "x", "--model", "nope"), "unknown model 'nope'"),
        (("{camera}", "--ask", "x", "--window", 2, "--stride", 4), "shorter than its stride"),
        (("{camera}", "--ask", "x", "--stride", 0.5), "choose a multiple of 1 s"),
        (("{camera}", "--ask", "x", "--pruner", "nope"), "unknown pruner 'nope'"),
        (("{camera}", "--ask", "x", "--refresh", "nope"), "unknown refresh policy 'nope'"),
        (("{camera}", "--ask", "x", "--frame-size", "big"), "WIDTHxHEIGHT"),
        (("{camera}", "--ask", "x", "--frame-size", "33x32"), "multiples of 32"),
        (("{camera}", "--ask", "x", "--fps", -1), "setting fps"),
        (("{camera}", "--ask", "x", "--reconnect", "-1"), "a patience of -1 s"),
    ],
)
def test_bad_input_is_one_sentence_and_status_1(
    costream: Command, camera: Path, checkpoint: Path, args: tuple[object, ...], message: str
) -> None:
    filled = [camera if arg == "{camera}" else arg for arg in args]
    model = () if "--model" in args else ("--model", checkpoint)
    result = costream("run", *filled, *model, "--json")
    assert result.status == 1
    assert result.out == ""
    assert message in result.err
    assert result.err.startswith("costream: ") and result.err.count("\n") == 1


def test_a_pool_without_room_for_a_window_says_what_would_make_some(
    costream: Command, camera: Path, checkpoint: Path
) -> None:
    options = (camera, "--ask", "Is it?", "--model", checkpoint, *SMALL)
    result = costream("run", *options, "--kv-memory", "60KiB")
    assert (result.status, result.err.count("\n")) == (1, 1)
    for part in (str(camera), "--kv-memory", "--window", "--frame-size", "fewer cameras"):
        assert part in result.err
    enough = costream("run", *options, "--kv-memory", "1MiB", "--json")
    assert enough.status == 0
    alone = costream("run", *options, "--json")
    for one, other in zip(results(enough.out), results(alone.out), strict=True):
        assert one["answers"] == other["answers"]


def test_keys_and_values_in_eight_bits(costream: Command, camera: Path, checkpoint: Path) -> None:
    options = (camera, "--ask", "Is it?", "--model", checkpoint, *SMALL, "--json")
    packed = costream("run", *options, "--kv-dtype", "int8")
    scores, plain = (
        [window["answers"][0]["score"] for window in results(out)]
        for out in (packed.out, costream("run", *options).out)
    )
    assert scores == pytest.approx(plain, abs=0.02) and scores != plain
    wrong = costream("run", *options, "--kv-dtype", "int4")
    assert wrong.status == 1 and "unknown type of keys and values 'int4'" in wrong.err


def test_memory_without_a_unit_is_told(costream: Command, camera: Path) -> None:
    result = costream("run", camera, "--ask", "Is it?", "--kv-memory", "8")
    assert result.status == 1
    assert "memory '8' is no number with a unit" in result.err


def test_a_camera_that_is_not_there_is_lost(costream: Command, checkpoint: Path) -> None:
    camera = "rtsp://user:secret@127.0.0.1:9/x"
    result = costream("run", camera, "--ask", "x", "--model", checkpoint, "--reconnect", 0)
    assert (result.status, result.out) == (3, "")
    why = "can't open rtsp://user:***@127.0.0.1:9/x: connection refused"
    assert result.err == f"costream: the camera was lost: {why}\n"


def damaged_copies(clip: Path, folder: Path) -> list[Path]:
    """One copy cut in the middle, two with flipped bits behind the header."""
    data = clip.read_bytes()
    copies = [data[: len(data) // 2]]
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        flipped = bytearray(data)
        for place in rng.integers(len(data) // 20, len(data), 60):
            flipped[place] ^= 1 << int(rng.integers(8))
        copies.append(bytes(flipped))
    paths = [folder / f"damaged-{number}{clip.suffix}" for number in range(len(copies))]
    for path, content in zip(paths, copies, strict=True):
        path.write_bytes(content)
    return paths


@pytest.mark.timeout(120)
@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv"])
def test_damaged_copies_end_in_a_sentence_or_are_marked(
    costream: Command, tmp_path: Path, checkpoint: Path, suffix: str
) -> None:
    source = SyntheticCamera(3, width=320, height=180, fps=12, every=3)
    clip = encode(
        (source.frame(index) for index in range(120)), tmp_path / f"whole{suffix}", fps=12
    )
    marked = 0
    for copy in damaged_copies(clip, tmp_path):
        result = costream("run", copy, "--ask", "Is it?", "--model", checkpoint, "--json", *SMALL)
        if result.status == 0:
            lines = results(result.out)
            assert lines
            marked += any(v["damaged"] for v in lines)
        else:
            assert result.status == 1
            assert result.err.startswith("costream: ") and result.err.count("\n") == 1
    assert marked or suffix == ".mp4"


def test_a_source_that_is_cut_off_is_told(
    costream: Command, tmp_path: Path, checkpoint: Path
) -> None:
    source = SyntheticCamera(3, width=320, height=180, fps=12)
    clip = encode((source.frame(i) for i in range(120)), tmp_path / "whole.mkv", fps=12)
    half = tmp_path / "half.mkv"
    half.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    result = costream("run", half, "--ask", "Is it?", "--model", checkpoint, "--json", *SMALL)
    assert result.status == 0
    assert results(result.out)
    assert result.err == f"costream: {half} ends before its stated length: it may be cut off\n"


@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the shared clips are not at {CLIPS}")
@pytest.mark.parametrize(
    "name",
    [
        "intel-one-by-one-person.mp4",
        "intel-car-park.mp4",
        "dvrscan-motorway.mp4",
        "dvrscan-brightness-change.avi",
        "degirum-aerial-crossing.mp4",
        "cctv/fi001.mp4",
        "cctv/nofi088.mp4",
    ],
)
def test_real_clips_run_to_their_end_at_the_default_settings(
    costream: Command, checkpoint: Path, name: str
) -> None:
    result = costream("run", CLIPS / name, "--ask", "Is it?", "--model", checkpoint, "--json")
    assert (result.status, result.err) == (0, "")
    lines = results(result.out)
    assert lines
    for window in lines:
        assert_adds_up(window["tokens"])


def test_thresholds_decide_and_calibration_is_told(
    costream: Command, camera: Path, checkpoint: Path
) -> None:
    options = ("--model", checkpoint, "--ask", "Is it?", "--ask", "Or not?", "--json", *SMALL)
    thresholds = ("--threshold", 0, "--threshold", "or not=1")
    lines = results(costream("run", camera, *options, *thresholds).out)
    for first, second in (line["answers"] for line in lines):
        assert (first["threshold"], first["decision"]) == (0, "yes")
        assert (second["threshold"], second["decision"]) == (1, "no")
        assert not first["calibrated"]
    wrong = costream("run", camera, *options, "--threshold", "Nor this?=0.5")
    assert wrong.status == 1 and wrong.err.count("\n") == 1
    assert "is given, which is not asked" in wrong.err


def test_the_question_mark_makes_no_difference_to_the_embedded_model(
    costream: Command, camera: Path
) -> None:
    asks = ("--ask", "Is someone fighting?", "--ask", "is someone fighting", "--ask", "Is it red?")
    result = costream("run", camera, *asks, "--json")
    assert (result.status, result.err) == (
        0,
        "costream: costream/tiny knows nine questions about a synthetic world: what it says of "
        "'Is it red?' means nothing; for anything else name a real model, such as "
        "Qwen/Qwen3-VL-2B-Instruct: it takes 4 GiB of weights and about 1 GiB a quiet camera on a "
        "GPU; on a CPU it takes twice that and seldom keeps up\n",
    )
    for known, spelt, unknown in (line["answers"] for line in results(result.out)):
        assert spelt["score"] == pytest.approx(known["score"], abs=1e-5)
        assert (spelt["ask"], spelt["calibrated"]) == ("is someone fighting", True)
        assert not unknown["calibrated"]


def test_the_embedded_model_on_another_source_says_so_once(
    costream: Command, tmp_path: Path
) -> None:
    source = SyntheticCamera(2, width=320, height=180, fps=4)
    clip = encode((source.frame(index) for index in range(48)), tmp_path / "bare.ts", fps=4)
    result = costream("run", clip, "--ask", "Is someone fighting?", "--json")
    assert result.err.count("what it says of") == result.err.count("\n") == 1
    assert f"what it says of {clip} means nothing" in result.err
