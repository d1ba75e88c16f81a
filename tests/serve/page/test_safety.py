"""Names and the model's words stay words."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.serve.fakes import HOSTILE, config_of
from tests.serve.page.conftest import Enter, Serving
from tests.serve.page.service import CalmBackend, Chat, Service
from tests.serve.page.visitor import tile

PAGE = Path(__file__).parents[3] / "src/costream/serve/page"

MARKUP = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser")


@pytest.fixture
def hostile(tmp_path: Path, clip: Path, serving: Serving) -> Service:
    names = {"camera-1": HOSTILE, "camera-2": "camera" * 30}
    backend = CalmBackend(tmp_path, config_of(names=names), events=4, clip=clip)
    return serving(backend, Chat(answer=HOSTILE))


def test_names_and_answers_are_shown_as_they_are(hostile: Service, enter: Enter) -> None:
    visitor = enter(hostile)
    page = visitor.open()
    event = hostile.backend.happen(sentence=HOSTILE)
    expect(tile(page, "camera-1").get_by_role("link")).to_have_text(HOSTILE)
    visitor.open(f"#/events/{event.id}")
    expect(page.locator(".event-side q")).to_have_text(HOSTILE)
    visitor.open("#/cameras/camera-1")
    page.get_by_role("button", name="What is happening now?").click()
    expect(page.locator(".turn.assistant .words")).to_have_text(f"{HOSTILE} ")
    visitor.open("#/setup")
    hostile.backend.lose("camera-1", HOSTILE)
    expect(page.locator(".notice")).to_contain_text(HOSTILE)
    assert page.locator("main script, main img[src=x]").count() == 0
    assert "hacked" not in page.title()


def test_an_address_that_is_no_view_is_only_said(service: Service, enter: Enter) -> None:
    page = enter(service).open("#/cameras/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x onerror=alert(1)>")


def test_no_file_of_the_page_makes_markup_of_text() -> None:
    for file in PAGE.rglob("*.js"):
        text = file.read_text()
        assert not [word for word in MARKUP if word in text], file


def test_the_page_has_no_inline_script_or_style_and_nothing_from_elsewhere() -> None:
    text = (PAGE / "index.html").read_text()
    assert "style=" not in text
    assert "<style" not in text
    assert " on" not in text.replace(" on ", "")
    assert "//" not in text.replace("<!doctype", "")


def test_the_page_is_small() -> None:
    assert sum(file.stat().st_size for file in PAGE.rglob("*") if file.is_file()) < 170_000
