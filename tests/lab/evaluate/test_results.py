"""Kept results are taken up only by the weights and the code that made them."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from costream.errors import SettingsError
from costream.lab.evaluate.origin import Origin
from costream.lab.evaluate.results import RESULTS, Job, ResultStore, VideoResult, WindowResult
from costream.models import ModelAdapter
from costream.settings import EngineSettings

ORIGIN = Origin("m in float32", "weights", "code", "torch 1")
JOB = Job(ORIGIN.model, "x.mp4 (9 bytes)", ("Smoke?",), EngineSettings(), False, "all")


def result(score: float) -> VideoResult:
    return VideoResult(25.0, (WindowResult(0, 0.0, 4.0, (score,), 10, 10, 10, 10, 99, 9, 0.5),))


def opened(folder: Path, origin: Origin = ORIGIN) -> ResultStore:
    store = ResultStore(folder)
    store.take_up(origin)
    return store


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    caplog.clear()
    return found


def test_what_was_kept_is_taken_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened(tmp_path).add(JOB, result(0.25))
    assert opened(tmp_path)[JOB] == result(0.25)
    assert said(caplog) == []


def test_a_score_that_is_not_a_number_is_kept_as_such(tmp_path: Path) -> None:
    opened(tmp_path).add(JOB, result(math.nan))
    assert math.isnan(opened(tmp_path)[JOB].windows[0].scores[0])


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"weights": "others"}, "other weights"),
        ({"code": "other"}, "other code"),
        ({"versions": "torch 2"}, r"other versions (torch 1)"),
    ],
)
def test_answers_of_others_are_left_aside_and_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, other: dict[str, str], why: str
) -> None:
    opened(tmp_path).add(JOB, result(0.25))
    now = opened(tmp_path, replace(ORIGIN, **other))
    assert JOB not in now
    assert said(caplog) == [f"{tmp_path / RESULTS}: kept results are left aside: 1 of {why}"]
    now.add(JOB, result(0.75))
    assert opened(tmp_path)[JOB] == result(0.25), "the first weights' answers are still there"
    assert opened(tmp_path, replace(ORIGIN, **other))[JOB] == result(0.75)


def test_lines_that_do_not_say_who_made_them_are_left_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line = json.dumps({"job": JOB.key, **asdict(result(0.25))}) + "\n"
    (tmp_path / RESULTS).write_text(2 * line)
    assert JOB not in opened(tmp_path)
    assert "2 of unknown weights and code" in said(caplog)[0]
    assert (tmp_path / RESULTS).read_text() == 2 * line


def test_other_models_may_share_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened(tmp_path).add(JOB, result(0.25))
    assert JOB not in opened(tmp_path, Origin("n in float32", "w", "c", "v"))
    assert said(caplog) == []


def test_a_line_that_was_cut_off_takes_nothing_else_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened(tmp_path).add(JOB, result(0.25))
    file = tmp_path / RESULTS
    file.write_bytes(file.read_bytes()[:60])
    again = opened(tmp_path)
    assert JOB not in again and said(caplog) == []
    again.add(JOB, result(0.25))
    assert opened(tmp_path)[JOB] == result(0.25)
    assert "1 of unreadable lines" in said(caplog)[0]


@pytest.mark.parametrize(
    "content", [b"hello\n", b"\xff\xfe\x00", b'{"job": 3}\n', b"[]\n", b'{"a": 1}\n{"a": 2}\n']
)
def test_a_foreign_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RESULTS).write_bytes(content)
    with pytest.raises(SettingsError, match=r"windows\.jsonl holds no results of an evaluation"):
        opened(tmp_path)
    assert (tmp_path / RESULTS).read_bytes() == content


@pytest.mark.parametrize(
    "broken",
    [{"windows": 3}, {"windows": [{"index": 0}]}, {"rate": "fast"}, {"job": "no list"}],
)
def test_a_broken_line_is_told_and_measured_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: dict[str, object]
) -> None:
    other = replace(JOB, video="y.mp4")
    opened(tmp_path).add(other, result(0.5))
    line = json.dumps({"job": JOB.key, **asdict(result(0.25)), "origin": asdict(ORIGIN), **broken})
    with (tmp_path / RESULTS).open("a") as file:
        file.write(line + "\n")
    store = opened(tmp_path)
    assert JOB not in store and store[other] == result(0.5)
    assert "1 of unreadable lines" in said(caplog)[0]


def test_an_origin_is_the_same_every_time_and_names_the_device(model: ModelAdapter) -> None:
    origin = Origin.of(model, "test")
    assert origin == Origin.of(model, "test")
    assert origin.model == "test in float32"
    assert "torch " in origin.versions and origin.versions.endswith("on cpu")


def test_the_code_s_fingerprint_answers_to_the_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import shutil

    import costream
    from costream.lab.evaluate.origin import code_fingerprint

    package = Path(costream.__file__).parent
    copy = tmp_path / "costream"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    found = []
    monkeypatch.setattr(costream, "__file__", str(copy / "__init__.py"))
    deciding = ("engine/carry_over.py", "pruning/noise.py", "preprocessing/cut.py")
    for change in ("", "cli/app.py", *deciding):
        if change:
            (copy / change).write_text((copy / change).read_text() + "# changed\n")
        code_fingerprint.cache_clear()
        found.append(code_fingerprint())
    code_fingerprint.cache_clear()
    assert found[0] == found[1], "the command line decides no answer"
    assert len(set(found[1:])) == 1 + len(deciding)
