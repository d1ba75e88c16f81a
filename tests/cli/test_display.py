from __future__ import annotations

import io

from rich.console import Console
from rich.live import Live

from costream.cli.display import ROWS, LiveDisplay, PlainDisplay
from costream.engine.verdict import Answer, FlopCount, TokenCount, Verdict
from costream.settings import EngineSettings
from costream.video import FrameRecord


def verdict(index: int, *, damaged: int = 0) -> Verdict:
    return Verdict(
        stream="camera",
        index=index,
        start=8.0 * index,
        end=8.0 * index + 40,
        answers=(Answer("Is [red]someone[/] fighting?", 0.9, "Yes, two."), Answer("Smoke?", 0.1)),
        frames=80,
        anchors=2,
        damaged=damaged,
        motion="codec",
        tokens=TokenCount(1000, 80, 100, 900, 40, 140, 820),
        flops=FlopCount(10_000, 500, 100),
    )


def drawn(display: LiveDisplay) -> str:
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    console.print(display.render())
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_the_table_shows_the_last_windows_and_what_was_saved() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    with Live(console=console, auto_refresh=False) as live:
        display = LiveDisplay(live, "camera", duration=600.0, settings=EngineSettings())
        display.advance(FrameRecord(0, 12.5, "I", 100, 0, False))
        assert "read up to 12.5 s of 600 s, the first window needs 40 s" in drawn(display)
        for index in range(ROWS + 3):
            display.show(verdict(index, damaged=int(index == 5)))
        text = drawn(display)
    assert "0.0-40.0 s" not in text
    assert f"{8.0 * (ROWS + 2)}-{8.0 * (ROWS + 2) + 40} s" in text
    assert "(1 damaged)" in text
    assert "Is [red]someone[/] fighting?" in text and "Yes, two." in text
    assert "15 windows, 152 s of video" in text
    assert "95% of the FLOPs and 96% of the visual tokens saved" in text


def test_a_score_is_a_yes_from_the_threshold_on() -> None:
    console = Console(file=io.StringIO(), width=200)
    PlainDisplay(console, "camera", EngineSettings(threshold=0.9)).show(verdict(0))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "0.90 yes Is [red]someone[/] fighting?" in printed
    assert "0.10 no  Smoke?" in printed
