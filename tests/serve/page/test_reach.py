"""Everybody can use it: by keyboard, on a phone, in both themes, while the service is away."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.serve.fakes import config_of
from tests.serve.page.conftest import Enter, Serving
from tests.serve.page.service import CalmBackend, Chat, Service, served, server_of
from tests.serve.page.visitor import PHONE, spill, tile, until

VIEWS = ("#/", "#/cameras/camera-1", "#/events", "#/savings", "#/setup")

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b]
    .map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const skipped = element.closest(".unseen, .skip, :disabled, .missing");
    if (!own || skipped || !element.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${element.className} ${element.textContent.slice(0, 40)} ${ratio}`);
  }
  return low;
}"""

SHIFTS = """() => new Promise((resolve) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => (sum += entry.value)))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(sum), 500);
})"""

FOCUSED = "document.activeElement?.textContent?.trim() || document.activeElement?.ariaLabel || ''"


def test_a_phone_scrolls_only_downwards(service: Service, enter: Enter) -> None:
    event = service.backend.happen()
    visitor = enter(service, size=PHONE)
    for place in (*VIEWS, f"#/events/{event.id}"):
        assert spill(visitor.open(place)) <= 0, place


def test_no_width_scrolls_sideways(service: Service, enter: Enter) -> None:
    service.backend.happen()
    page = enter(service).open()
    expect(page.get_by_role("link", name="1 now")).to_be_visible()
    for width in (320, 768, 820, 1024):
        page.set_viewport_size({"width": width, "height": 800})
        assert spill(page) <= 0, width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out(service: Service, enter: Enter, theme: str) -> None:
    event = service.backend.happen()
    visitor = enter(service, theme=theme)
    service.backend.lose("camera-2", "no data for 10 s")
    for place in (*VIEWS, f"#/events/{event.id}"):
        page = visitor.open(place)
        assert page.evaluate(CONTRAST) == []


def test_the_theme_is_chosen_and_kept(service: Service, enter: Enter) -> None:
    page = enter(service, theme="dark").open()
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Theme: as the system").click()
    expect(page.get_by_role("button", name="Theme: light")).to_be_focused()
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert page.evaluate(ground) == light


def test_everything_by_keyboard(service: Service, enter: Enter) -> None:
    page = enter(service).open()
    expect(page.locator(".tile")).to_have_count(4)
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Skip to content"
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    _tab_to(page, "camera-1")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) == "camera-2"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(FOCUSED) == "camera-4"
    outline = "getComputedStyle(document.querySelector('[data-camera=camera-4]')).outlineWidth"
    assert page.evaluate(outline) == "3px"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("camera-4")
    _tab_to(page, "What is happening now?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("log")).to_contain_text(service.chat.answer)
    expect(page.get_by_role("textbox", name="Ask this camera")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("2")
    expect(page.get_by_role("heading", level=1)).to_have_text("Events")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_keys_are_explained_and_can_be_switched_off(service: Service, enter: Enter) -> None:
    page = enter(service).open()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("Show what moved")
    dialog.get_by_label("Single keys are shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("3")
    expect(page.get_by_role("heading", level=1)).to_contain_text("All quiet")


def test_pictures_take_their_room_before_they_are_there(service: Service, enter: Enter) -> None:
    page = enter(service).open()
    expect(page.locator(".tile")).to_have_count(4)
    before = tile(page, "camera-4").bounding_box()
    until(page, "document.querySelector('.tile .still').dataset.pictures > 1")
    assert tile(page, "camera-4").bounding_box() == before


# The browser may knock while the server closes: asyncio leaves such a socket to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_service_that_goes_and_comes_back(tmp_path: Path, clip: Path, enter: Enter) -> None:
    backend, chat = CalmBackend(tmp_path, config_of(2), events=4, clip=clip), Chat()
    with served(backend, chat, server_of()) as url:
        visitor = enter(Service(url, backend, chat))
        page = visitor.open()
        expect(page.locator(".tile")).to_have_count(2)
    expect(page.locator(".notice")).to_contain_text("The connection to the service is lost.")
    with served(backend, chat, server_of(port=int(url.rsplit(":", 1)[1]))):
        expect(page.locator(".notice")).to_have_count(0)
        pictures = "document.querySelector('.tile .still').dataset.pictures"
        seen = page.evaluate(pictures)
        until(page, f"{pictures} > {seen}")
        page.context.close()
    visitor.errors = [error for error in visitor.errors if "net::ERR_" not in error]
    gc.collect()


def test_sixteen_cameras_move_nothing_but_pictures(
    tmp_path: Path, clip: Path, serving: Serving, enter: Enter
) -> None:
    backend = CalmBackend(tmp_path, config_of(16), events=4, clip=clip)
    page = enter(serving(backend)).open()
    expect(page.locator(".tile")).to_have_count(16)
    until(page, "document.querySelector('.tile .still').dataset.pictures > 4")
    assert page.evaluate(SHIFTS) < 0.05


def _tab_to(page: Page, text: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == text:
            return
    raise AssertionError(f"{text} can't be reached by Tab")
