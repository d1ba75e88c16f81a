from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from costream.audit import AuditReport, Interval, QuestionAudit
from costream.cli.audit_table import AuditTable, percents
from costream.cli.quantities import parse_share
from costream.errors import SettingsError
from tests.cli.conftest import Command

SMALL = ("--fps", 2, "--window", 4, "--stride", 2, "--frame-size", "128x96")


def test_a_file_is_audited_and_its_table_is_what_is_left(
    costream: Command, camera: Path, checkpoint: Path
) -> None:
    asks = ("--ask", "Is it?", "--ask", "Is someone there?")
    model = ("--model", checkpoint, *SMALL)
    done = costream("audit", camera, *asks, *model, "--share", "100%")
    assert done.status == 0
    lines = done.out.splitlines()
    assert str(camera) in lines[0]
    assert lines[1].split() == ["checked", "flips", "differ", "score", "off"]
    assert [line[:6] for line in lines[2:4]] == ["Is it?", "Is som"]
    assert all(" 5 " in line for line in lines[2:4])
    assert "5 of 5 windows run in full as well" in done.out
    assert "of all answers differ from those of full recomputation (95% sure)" in done.out


def test_json_lines_tell_each_check_and_the_whole(
    costream: Command, camera: Path, checkpoint: Path
) -> None:
    model = ("--model", checkpoint, *SMALL)
    done = costream("audit", camera, "--ask", "Is it?", *model, "--share", "0.5", "--json")
    assert done.status == 0
    reports = [json.loads(line) for line in done.out.splitlines()]
    last = reports[-1]
    assert last["stream"] == str(camera)
    assert last["windows"] == 5 and last["target"] == 0.5
    assert len(reports) == last["checked"] + 1
    (question,) = last["questions"]
    assert question["ask"] == "Is it?" and question["windows"] == 5
    assert question["checked"] == last["checked"]
    assert 0 <= question["bounds"]["low"] <= question["share"] <= question["bounds"]["high"] <= 1
    assert set(question) >= {"flips", "missed", "difference", "difference_bounds", "causes"}


def drawn(table: AuditTable, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


QUESTION = QuestionAudit(
    ask="Is someone fighting in the hall, or about to, or has just been?",
    zone=None,
    windows=4000,
    checked=42,
    missed=0,
    flips=0,
    share=0.0,
    bounds=Interval(0.0, 0.0178),
    difference=0.0034,
    difference_bounds=Interval(0.0, 0.1),
    causes={},
)
REPORT = AuditReport(0.01, 4000, 42, 0, 0.0, Interval(0.0, 0.0178), 0.0105, (QUESTION,))


@pytest.mark.parametrize("width", [80, 60, 120])
def test_the_table_fits_a_terminal_of_24_lines(width: int) -> None:
    asks = [
        replace(QUESTION, ask=f"{QUESTION.ask} {n}", flips=n, causes={"pruning": n} if n else {})
        for n in range(30)
    ]
    table = AuditTable("x" * 100, replace(REPORT, questions=tuple(asks)), "read up to 8 s", 23)
    lines = drawn(table, width)
    assert len(lines) <= 23
    assert max(map(len, lines)) <= width
    assert "more lines" in "".join(lines)
    assert lines[-1] == "read up to 8 s"
    assert "because of: pruning 1" in "".join(lines)


def test_what_is_known_is_said_in_a_sentence() -> None:
    lines = drawn(AuditTable("x", REPORT), 80)
    assert lines[-1] == (
        "0 to 1.8% of all answers differ from those of full recomputation (95% sure)"
    )
    assert lines[2].endswith("42      0       0 to 1.8%      0.003")
    unchecked = AuditTable("x", replace(REPORT, checked=0, missed=1))
    assert "1 window could not be checked" in drawn(unchecked, 80)[-2]
    assert "raise --share" in drawn(unchecked, 80)[-1]
    assert drawn(AuditTable("x", None), 80)[-1] == "no window was answered"


def test_shares_are_rounded_outwards() -> None:
    assert percents(Interval(0.0, 0.0171)) == "0 to 1.8%"
    assert percents(Interval(0.0199, 0.02)) == "1.9 to 2%"
    assert percents(Interval(0.25, 0.25)) == "25%"


def test_shares_are_read() -> None:
    assert [parse_share(text) for text in ("1%", "0.2", "100 %", "0.5%")] == [0.01, 0.2, 1.0, 0.005]
    for text in ("", "0", "1.1", "-1%", "x"):
        with pytest.raises(SettingsError, match="is none"):
            parse_share(text)
