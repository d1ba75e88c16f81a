from __future__ import annotations

import io
from dataclasses import replace
from math import nan

import pytest
from rich.cells import cell_len
from rich.console import Console

from costream.cli.figures import saved, score, share
from costream.cli.live_display import LiveDisplay
from costream.cli.plain_display import PlainDisplay
from costream.cli.totals import Totals
from costream.cli.window_block import cut_apart
from costream.engine.result import Answer, Confirmation, FlopCount, Result, TokenCount
from costream.lab.evaluate.datasets.categories import UCF_CRIME
from costream.printable import one_line
from costream.video import FrameRecord
from tests.cli.screen import Screen

ANSWERS = (Answer("Is [red]someone[/] fighting?", 0.9, "Yes, two."), Answer("Smoke?", 0.1))
SENTENCE = (
    "Yes. Two people are fighting and hit each other near the door while a third one watches."
)


def result(index: int, *, damaged: int = 0, answers: tuple[Answer, ...] = ANSWERS) -> Result:
    return Result(
        stream="camera",
        index=index,
        start=8.0 * index,
        end=8.0 * index + 40,
        answers=answers,
        frames=80,
        anchors=2,
        damaged=damaged,
        motion="codec",
        tokens=TokenCount(1000, 80, 100, 900, 40, 140, 820),
        flops=FlopCount(10_000, 500, 100),
    )


def shown(
    width: int, height: int, *results: Result, title: str = "camera", calibrated: bool = False
) -> list[str]:
    """Returns the lines of a live display with these results."""
    screen = Screen(width, height)
    with screen.live as live:
        display = LiveDisplay(live, title, Totals(), 600.0, 40, calibrated=calibrated)
        for one in results:
            display.show(one)
        return screen.lines(display)


def questions(count: int, *, text: str | None = None, long: bool = False) -> tuple[Answer, ...]:
    asks = list(UCF_CRIME.values()) if long else [f"Is there a thing {n}?" for n in range(13)]
    return tuple(Answer(ask, n / 13, text) for n, ask in enumerate(asks[:count]))


def test_the_panel_shows_the_last_windows_and_what_was_saved() -> None:
    screen = Screen(120, 24)
    with screen.live as live:
        display = LiveDisplay(live, "camera", Totals(), 600.0, 40)
        display.advance(FrameRecord(0, 12.5, "I", 100, 0, False))
        assert "read up to 12.5 s of 600 s, the first window needs 40 s" in "".join(
            screen.lines(display)
        )
        for index in range(15):
            display.show(result(index, damaged=int(index == 14)))
        text = "".join(screen.lines(display))
    assert "0.0-40.0 s" not in text
    assert "112.0-152.0 s  1 frame damaged  FLOPs saved 95%  kept 10%  prefilled 4%" in text
    assert "0.90 yes  Is [red]someone[/] fighting?" in text and "Yes, two." in text
    assert "0.10 no   Smoke?" in text
    assert "15 windows, 152 s of video" in text
    assert "95% of the FLOPs and 96% of the visual tokens saved" in text


@pytest.mark.parametrize("text", [None, SENTENCE])
@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("count", [1, 4, 9, 13])
@pytest.mark.parametrize("size", [(80, 24), (60, 15), (120, 40), (40, 8), (24, 5), (10, 3)])
def test_the_panel_fits_the_screen(
    size: tuple[int, int], count: int, long: bool, text: str | None
) -> None:
    answers = questions(count, text=text, long=long)
    lines = shown(*size, *(result(n, answers=answers) for n in range(12)), title=80 * "long ")
    assert len(lines) < max(size[1], 4)
    assert all(cell_len(line) <= size[0] for line in lines)


@pytest.mark.parametrize("size", [(80, 24), (60, 15)])
@pytest.mark.parametrize("long", [False, True])
def test_nine_questions_and_their_scores_can_be_told_apart(
    size: tuple[int, int], long: bool
) -> None:
    answers = questions(9, text=SENTENCE, long=long)
    lines = shown(*size, result(0), result(1, answers=answers))
    rows = [line.strip("│ ") for line in lines if " no " in line or " yes " in line][-9:]
    assert [float(row.split()[1]) for row in rows] == [
        pytest.approx(answer.score, abs=0.011) for answer in answers
    ]
    asks = [row.split(" no " if " no " in row else " yes ")[1].strip() for row in rows]
    assert len(set(asks)) == 9
    assert long or asks == [answer.ask for answer in answers]


def test_a_long_question_is_wrapped_where_there_is_room() -> None:
    ask = "Does the video show two or more people who push or hit each other near the shop's door?"
    lines = shown(80, 24, result(0, answers=(Answer(ask, 0.7, SENTENCE),)))
    text = " ".join(" ".join(line.strip("│").split()) for line in lines)
    assert ask in text and SENTENCE in text


def test_where_not_all_questions_fit_no_yes_is_hidden() -> None:
    answers = tuple(replace(answer, threshold=0.8) for answer in questions(13))
    low = replace(answers[0], score=0.2, threshold=0.1)
    broken = replace(answers[1], score=nan)
    lines = shown(60, 12, result(0, answers=(low, broken, *answers[2:])))
    assert any(" nan " in line for line in lines)
    assert sum(" yes  " in line for line in lines if "…" not in line) == 3
    assert any("… and 8 questions more, none of them yes" in line for line in lines)


def test_a_title_is_cut_with_an_ellipsis_and_markup_is_text() -> None:
    top = shown(60, 15, title="rtsp://[bold]camera[/bold]/" + 20 * "x/")[0]
    assert "rtsp://[bold]camera[/bold]/x/" in top and "…" in top


def test_line_breaks_and_control_characters_stay_out_of_the_layout() -> None:
    answers = (Answer("Is it\nred\x1b[2J?", 0.9),)
    assert any("Is it red [2J?" in line for line in shown(80, 24, result(0, answers=answers)))
    assert one_line("a\r\nb\u2028c\x07") == "a  b c "


def test_nothing_false_is_said_of_no_window() -> None:
    screen = Screen(80, 24)
    with screen.live as live:
        display = LiveDisplay(live, "camera", Totals(), 600.0, 40)
        assert any("no window yet" in line for line in screen.lines(display))
        display.advance(FrameRecord(0, 0.0, "I", 100, 0, False))
        display.finish()
        text = "".join(screen.lines(display))
    assert "no window was answered" in text and "ended, read up to 0.0 s" in text
    assert "needs 40 s" not in text and "%" not in text


def test_a_stated_length_that_was_passed_is_not_shown() -> None:
    screen = Screen(80, 24)
    with screen.live as live:
        display = LiveDisplay(live, "camera", Totals(), 10.0, 40)
        display.advance(FrameRecord(0, 12.5, "I", 100, 0, False))
        assert not any(" of 10 s" in line for line in screen.lines(display))


def test_the_last_state_stays_once() -> None:
    screen = Screen(80, 24)
    with screen.live as live:
        display = LiveDisplay(live, "camera", Totals(), 600.0, 40)
        display.show(result(0))
        display.finish()
    text: str = screen.console.file.getvalue()  # type: ignore[attr-defined]
    last = text[text.rindex("\x1b[2K") :]
    assert last.count("0.0-40.0 s") == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.9, "0.90"), (0.29, "0.29"), (0.499, "0.49"), (0.999, "0.99"), (1.0, "1.00"), (0.0, "0.00")],
)
def test_a_score_is_never_rounded_over_a_threshold(value: float, said: str) -> None:
    assert score(Answer("Smoke?", value)) == said


def test_a_share_is_all_or_nothing_only_where_it_is() -> None:
    assert [share(part, 1000) for part in (0, 1, 500, 999, 1000)] == [
        "0%",
        "<1%",
        "50%",
        ">99%",
        "100%",
    ]
    assert (share(0, 0), saved(0, 0), saved(0, 10), saved(12, 10)) == ("-", "-", "100%", "-20%")


def test_what_is_not_a_number_is_no_yes() -> None:
    lines = shown(80, 24, result(0, answers=(Answer("Smoke?", nan),)))
    assert any("░░░░░░░░░░ nan  ?    Smoke?" in line for line in lines)


def test_what_is_not_calibrated_is_marked_where_others_are() -> None:
    answers = (Answer("Smoke?", 0.9, calibrated=True), Answer("Dog?", 0.9))
    marked = shown(80, 24, result(0, answers=answers), calibrated=True)
    assert [("Smoke?" in line, "Dog?" in line) for line in marked if "not calibrated" in line] == [
        (False, True)
    ]
    assert "not calibrated" not in "".join(shown(80, 24, result(0, answers=answers)))


def test_questions_that_begin_alike_are_cut_in_the_middle() -> None:
    assert cut_apart(["Is it red?", "Is it raining?"], 10) == ["Is it red?", "Is it rai…"]
    first, second = cut_apart(list(UCF_CRIME.values())[:2], 30)
    assert first.endswith("if they show abuse.") and second.endswith("hey show an arrest.")
    assert cell_len(cut_apart(["火" * 40], 21)[0]) <= 21


def printed(*results: Result, calibrated: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    display = PlainDisplay(console, "camera [b]1[/b]", Totals(), calibrated=calibrated)
    for one in results:
        display.show(one)
    display.finish()
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text.splitlines()


def test_plain_lines_carry_decision_evidence_and_text() -> None:
    answers = (replace(ANSWERS[0], threshold=0.9), Answer("Smoke?", 0.1), Answer("Fire?", nan))
    title, first, second, third, summary = printed(result(0, answers=answers), calibrated=True)
    assert title == "camera [b]1[/b]"
    assert first == (
        "0.0-40.0 s  0.90 yes Is [red]someone[/] fighting?  (not calibrated)  "
        "[FLOPs saved 95%, kept 10%, prefilled 4%, 0.00 s]  Yes, two."
    )
    assert second.startswith("0.0-40.0 s  0.10 no  Smoke?")
    assert third.startswith("0.0-40.0 s  nan  ?   Fire?")
    assert summary.startswith("1 window, 40 s of video, 0.0 s of work: 95% of the FLOPs")


def test_no_window_is_said_so() -> None:
    assert printed() == ["no window was answered"]


def test_totals_of_a_short_window_are_not_rounded_away() -> None:
    totals = Totals()
    totals.add(replace(result(0), end=0.5))
    assert totals.summary().startswith("1 window, 0.5 s of video")


def test_what_confirming_takes_and_comes_to_is_told() -> None:
    totals = Totals()
    assert totals.confirmations == ""
    for index, (risen, upheld) in enumerate([(2, 1), (1, 1), (1, None)]):
        tokens = 0 if upheld is None else 1000
        found = Confirmation(risen, upheld, tokens, 0.5)
        totals.add(replace(result(index), confirmation=found))
    said = "2 of 4 answers that turned to yes upheld in full, 1 could not be run"
    assert totals.confirmations == said
    assert totals.prefilled == 3 * 40 + 2 * 1000
    one = replace(result(0), confirmation=Confirmation(1, 1, 1000, 0.5))
    told = "1 of 1 answer that turned to yes upheld in full"
    assert any(told in line for line in shown(80, 24, one))
