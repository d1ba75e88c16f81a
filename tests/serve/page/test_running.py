"""The page before the service itself: the embedded model watches cameras of the synthetic world."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from costream.lab.synth import EVENTS
from tests.serve.page.visitor import PHONE, Visitor, spill, tile, until
from tests.serve.running import TOKEN, Running

SOON = 200_000
"""Milliseconds in which an event and its clip are there, on a busy machine."""

PIXELS = "document.querySelector('.tile .picture').toDataURL()"
PLAYED = "document.querySelector('video').currentTime"

CONFIG = {
    "model": "costream/tiny",
    "questions": {"fall": {"ask": EVENTS["fall"].questions[0], "name": "Fall"}},
    "alerts": {
        "sentence": False,
        "cooldown": "2s",
        "before": "1s",
        "after": "1s",
        "max_clip": "8s",
    },
    "cameras": {
        "hall": {"url": "synthetic:fall:40", "name": "Hall"},
        "yard": {"url": "synthetic:quiet:3", "name": "Yard", "questions": ["fall"]},
    },
}


@pytest.mark.timeout(600)
def test_the_service_itself_before_a_browser(tmp_path: Path, browser: Browser) -> None:
    with Running(tmp_path, CONFIG) as service:
        visitor = Visitor.enter(browser, str(service.client.base_url).rstrip("/"))
        page = visitor.open()
        visitor.log_in(TOKEN)
        expect(page.locator(".tile")).to_have_count(2)
        until(page, "document.querySelector('.tile .still')?.dataset.pictures > 1", SOON)
        before = page.evaluate(PIXELS)
        until(page, f"{PIXELS} !== {before!r}", SOON)
        expect(tile(page, "hall")).to_contain_text("Watching")
        # It arrives by itself, and is told to who doesn't see it.
        rail = page.locator(".rail [data-event]").first
        expect(rail).to_contain_text("Fall", timeout=SOON)
        expect(page.locator("#announcer")).to_have_text("New event: Fall, at Hall.")
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert spill(page) <= 0
        # By keys alone from here on.
        rail.get_by_role("link").focus()
        page.keyboard.press("Enter")
        expect(page.locator("main h1")).to_have_text("Fall")
        expect(page.locator("video")).to_be_visible(timeout=SOON)
        assert spill(page) <= 0
        page.evaluate("document.querySelector('video').play()")
        until(page, f"{PLAYED} > 0.2")
        played = page.evaluate(PLAYED)
        until(page, f"{PLAYED} > {played}")
        assert page.evaluate("document.querySelector('video').videoWidth") == 640
        page.keyboard.press("1")
        tile(page, "hall").get_by_role("link").press("Enter")
        expect(page.locator("main h1")).to_have_text("Hall")
        page.keyboard.press("/")
        page.get_by_role("textbox", name="Ask this camera").fill(EVENTS["fall"].questions[0])
        with page.expect_response("**/v1/chat/completions") as answered:
            page.keyboard.press("Enter")
        assert "text/event-stream" in answered.value.headers["content-type"]
        expect(page.locator(".turn.assistant")).to_have_text(re.compile("yes|no", re.IGNORECASE))
        expect(page.get_by_role("log")).to_have_attribute("aria-busy", "false")
        assert spill(page) <= 0
        visitor.leave()
        assert service.stop() == 0, service.text
        assert "Traceback" not in service.text
