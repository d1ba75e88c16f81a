from __future__ import annotations

import io
import json
import logging
from dataclasses import replace
from datetime import datetime

import pytest
from rich.console import Console

from costream.cli.gaps import describe_gap
from costream.cli.json_display import JsonDisplay
from costream.cli.live_display import LiveDisplay
from costream.cli.plain_display import PlainDisplay
from costream.cli.totals import Totals
from costream.video import Gap
from tests.cli.screen import Screen
from tests.cli.test_display import result

LOST = Gap("lost", 61.5, None, "door stopped: no data for 10 s")
BACK = Gap("back", 61.5, 83.0, "reconnected", attempts=3)
SKIPPED = Gap("skipped", 90.0, 98.5, "the watcher is behind the source", frames=17)
LAGGING = replace(result(0), wall="2026-11-28T12:00:00.000+00:00", lag=1.26)


def test_gaps_in_words() -> None:
    assert describe_gap(LOST) == "lost at 61.5 s: door stopped: no data for 10 s"
    assert describe_gap(BACK) == "back after 21.5 s and 3 attempts"
    assert (
        describe_gap(SKIPPED)
        == "17 frames of 8.5 s skipped: the watcher is behind the source"
    )  # fmt: skip


def test_plain_lines_tell_gaps_in_their_place_and_the_time_that_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = iter([0.0, 61.5, 83.0, 99.0])
    monkeypatch.setattr("costream.cli.totals.monotonic", lambda: next(now))
    console = Console(file=io.StringIO(), width=80)
    display = PlainDisplay(console, "camera", Totals(live=True))
    display.show(LAGGING)
    for gap in (LOST, BACK, SKIPPED):
        display.note(gap)
    display.finish()
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert "[lag 1.3 s, FLOPs saved 95%" in lines[1]
    assert lines[3:6] == [describe_gap(gap) for gap in (LOST, BACK, SKIPPED)]
    assert lines[6].startswith(
        "1 window, 99 s elapsed, lost 1 time for 22 s, 17 frames skipped: 95% "
    )


def test_a_source_that_stays_away_is_counted_as_away(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 60.0, 100.0, 100.0])
    monkeypatch.setattr("costream.cli.totals.monotonic", lambda: next(now))
    totals = Totals(live=True)
    totals.add(LAGGING)
    totals.note(LOST)
    assert totals.summary(ended=True).startswith("1 window, 100 s elapsed, lost 1 time for 40 s:")


def test_the_panel_shows_the_last_gap_and_stays_on_the_screen() -> None:
    screen = Screen(80, 12)
    with screen.live as live:
        display = LiveDisplay(live, "camera", Totals(live=True), None, 40)
        for index in range(5):
            display.show(replace(LAGGING, index=index))
        display.note(LOST)
        lines = screen.lines(display)
    text = "\n".join(lines)
    assert "lost at 61.5 s" in text
    assert "lag 1.3 s" in text
    assert len(lines) <= 12


def test_json_lines_of_gaps_and_one_warning_of_skipping(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    display = JsonDisplay("door")
    with caplog.at_level(logging.WARNING):
        for gap in (LOST, BACK, SKIPPED, SKIPPED):
            display.note(gap)
    lost, back, skipped, again = map(json.loads, capsys.readouterr().out.splitlines())
    assert datetime.fromisoformat(lost.pop("wall")).tzinfo is not None
    assert lost == {
        "stream": "door",
        "gap": "lost",
        "start": 61.5,
        "end": None,
        "cause": "door stopped: no data for 10 s",
        "frames": 0,
        "attempts": 0,
    }
    assert (back["gap"], back["end"], back["attempts"]) == ("back", 83.0, 3)
    assert skipped["frames"] == again["frames"] == 17
    assert caplog.messages == [f"door: {describe_gap(gap)}" for gap in (LOST, BACK, SKIPPED)]
