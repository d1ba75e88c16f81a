"""Bad input is told before anything heavy is loaded."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from costream.cli.checks import check_source
from costream.errors import SourceError

ROOT = Path(__file__).parents[2]

PLAN = ("plan", "--gpu-memory", "24GiB", "--source", "640x360@25")

RUN = ("run", "{camera}", "--ask", "Is it?")
PEERS = ("bench", "peers", "--source", "{camera}")

WRONG = [
    (("run", "missing.mp4", "--ask", "x"), "can't open missing.mp4: no such file"),
    (("run", "missing.mp4", "--ask", "x", "--model", "some/model"), "no such file"),
    (("run", "", "--ask", "x"), "the name of the source is empty"),
    (("run", ".", "--ask", "x"), "it is a directory"),
    (("run", "{camera}", "--ask", " "), "a question is empty"),
    (("run", "{camera}", "--ask", "x", "--ask", "caf\udce9"), r"'caf\udce9' is not valid Unicode"),
    ((*RUN, "--window", "-1"), "setting window"),
    ((*RUN, "--window", "-1", "--model", "some/model"), "setting window"),
    ((*RUN, "--window", "2", "--stride", "4"), "shorter than its stride"),
    ((*RUN, "--pruner", "nope"), "unknown pruner 'nope'"),
    ((*RUN, "--refresh", "nope"), "unknown refresh policy 'nope'"),
    ((*RUN, "--attention", "nope"), "unknown attention backend 'nope': choose one of auto, sdpa"),
    ((*RUN, "--model", "/nowhere"), "unknown model '/nowhere'"),
    ((*RUN, "--model", ""), "the name of the model is empty"),
    ((*RUN, "--model", "{tmp}"), "it has no config.json"),
    ((*RUN, "--frame-size", "3"), "WIDTHxHEIGHT"),
    ((*RUN, "--frame-size", "0x0"), "holds no pixel"),
    ((*RUN, "--dtype", "nope"), "unknown dtype 'nope'"),
    ((*RUN, "--decode", "nope"), "choose auto or all"),
    (("run", "{camera}", "--ask", "x", "--budget", "0"), "share '0' is none: write such as 1%"),
    (
        ("run", "{camera}", "--ask", "x", "--budget", "10%", "--max-disagreement", "1%"),
        "choose one of them",
    ),
    (
        ("run", "{camera}", "--ask", "x", "--budget", "10%", "--pruner", "evs"),
        "the pruner evs can't be set while its stream runs",
    ),
    (("audit", "missing.mp4", "--ask", "x"), "can't open missing.mp4: no such file"),
    (("audit", "{camera}", "--ask", " "), "a question is empty"),
    (("audit", "{camera}", "--ask", "x", "--share", "0"), "share '0' is none: write such as 1%"),
    (("audit", "{camera}", "--ask", "x", "--share", "101%"), "share '101%' is none"),
    (("audit", "{camera}", "--ask", "x", "--model", "/nowhere"), "unknown model '/nowhere'"),
    (("inspect", "missing.mp4"), "no such file"),
    (("inspect", "{camera}", "--fps", "0"), "--fps takes a positive number, not 0"),
    (("inspect", "{camera}", "--anchor-every", "nan"), "--anchor-every takes a positive number"),
    (("bench", "missing.mp4"), "no such file"),
    (("bench", "{camera}", "--ask", ""), "a question is empty"),
    (("bench", "{camera}", "--window", "-1"), "setting window"),
    (("bench", "{camera}", "--model", "/nowhere"), "unknown model '/nowhere'"),
    (("bench", "bitstream", "missing.mp4"), "no such file"),
    (("bench", "signal", "--anchor-every", "inf"), "--anchor-every takes a positive number"),
    (("bench", "peers", "--source", "missing.mp4"), "no such file"),
    (("bench", "peers", "--source", "rtsp://camera/1"), "compared on a file"),
    ((*PEERS, "--vllm-python", "/nowhere"), "--vllm-python takes a Python interpreter"),
    ((*PEERS, "--model", "/nowhere"), "unknown model '/nowhere'"),
    (("evaluate", "--dataset", "/nowhere"), "/nowhere is no annotated set"),
    (("evaluate", "--policies", "nope"), "unknown policy 'nope'"),
    (("evaluate", "--model", "/nowhere"), "unknown model '/nowhere'"),
    (("evaluate", "--dtype", "nope"), "unknown dtype 'nope'"),
    (("synth", "{tmp}/x.mp4", "--rate", "nan"), "--rate takes a positive number, not nan"),
    (("synth", "/nowhere/x.mp4"), "can't write /nowhere/x.mp4"),
    (("demo", "--seconds", "-1"), "--seconds takes a positive number, not -1"),
    (("demo", "--model", "/nowhere"), "unknown model '/nowhere'"),
    (("plan", "--gpu-memory", "24", "--source", "8x8@25"), "write such as 24GiB"),
    (("plan", "--gpu-memory", "24GiB", "--source", "8x8"), "not of the form WIDTHxHEIGHT@FPS"),
    ((*PLAN, "--model", "/nowhere"), "unknown model '/nowhere'"),
    ((*PLAN, "--dtype", "nope"), "unknown dtype 'nope'"),
    ((*PLAN, "--kv-dtype", "int4"), "unknown type of keys and values 'int4': choose int8"),
    ((*PLAN, "--window", "2", "--stride", "4"), "shorter than its stride"),
    ((*PLAN, "--frame-size", "3"), "WIDTHxHEIGHT"),
    ((*PLAN, "--tflops", "nan"), "--tflops takes a positive number, not nan"),
]


@pytest.fixture(scope="module")
def outcomes(camera: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What each of the wrong command lines came to, one after the other in one process."""
    empty = tmp_path_factory.mktemp("empty")
    lines = [
        [arg.replace("{camera}", str(camera)).replace("{tmp}", str(empty)) for arg in args]
        for args, _ in WRONG
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.commands"],
        input=json.dumps(lines),
        cwd=ROOT,
        # Whoever asks the hub in spite of all gets no answer.
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found: list[dict] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("number", range(len(WRONG)), ids=lambda n: " ".join(WRONG[n][0][:2]))
def test_bad_input_is_one_sentence_before_anything_heavy_is_loaded(
    outcomes: list[dict], number: int
) -> None:
    _, message = WRONG[number]
    found = outcomes[number]
    assert found["status"] == 1
    assert message in found["err"]
    assert found["err"].startswith("costream: ") and found["err"].count("\n") == 1
    assert found["loaded"] == []


def spent_on(code: str, *args: str, status: int) -> float:
    """Seconds of processor time that some code costs in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", code, *args]
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == status
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_bad_input_costs_less_than_a_second_of_processor_time() -> None:
    """Or, where others make seconds of processor time longer, than half of importing torch."""
    main, args = "from costream.cli import main; main()", ("run", "missing.mp4", "--ask", "x")
    seconds = min(spent_on(main, *args, status=1) for _ in range(3))
    assert seconds < 1 or seconds < spent_on("import torch, transformers", status=0) / 2


def test_a_file_that_must_not_be_read_is_told(
    camera: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_source(str(camera))
    check_source(f"file://{camera}")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SourceError, match=r"camera\.mp4: permission denied"):
        check_source(str(camera))
