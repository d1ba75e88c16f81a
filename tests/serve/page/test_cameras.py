"""The wall and one camera: pictures move, scores are told, cameras are paused and asked."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from costream.serve.config.model import QuestionConfig
from tests.serve.page.conftest import Enter
from tests.serve.page.service import Service
from tests.serve.page.visitor import tile, until

PIXELS = "document.querySelector('.tile .picture').toDataURL()"
PAINTED = """() => {
  const overlay = document.querySelector(".tile .overlay");
  const blank = Object.assign(document.createElement("canvas"), {
    width: overlay.width,
    height: overlay.height,
  });
  return overlay.toDataURL() !== blank.toDataURL();
}"""


def test_pictures_move(service: Service, enter: Enter) -> None:
    page = enter(service).open()
    expect(page.locator(".tile")).to_have_count(4)
    until(page, "document.querySelector('.tile .still').dataset.pictures > 1")
    before = page.evaluate(PIXELS)
    until(page, f"{PIXELS} !== {before!r}")


def test_only_pictures_in_sight_are_loaded(service: Service, enter: Enter) -> None:
    visitor = enter(service, size=(390, 300))
    page = visitor.open()
    until(page, "document.querySelector('.tile .still').dataset.pictures > 2")
    assert not any("camera-4/still.jpg" in url for url in visitor.requests)
    tile(page, "camera-4").scroll_into_view_if_needed()
    until(page, "document.querySelector('[data-camera=camera-4] .still').dataset.pictures > 0")


def test_scores_are_told_by_question(service: Service, enter: Enter) -> None:
    page = enter(service).open()
    traces = tile(page, "camera-1").locator(".traces li")
    expect(traces).to_have_count(2)
    expect(traces.first).to_contain_text("Person at the door")
    until(page, "/0\\.\\d\\d/.test(document.querySelector('.traces .value').textContent)")


def test_a_question_that_tells_something_is_never_among_the_hidden_ones(
    service: Service, enter: Enter
) -> None:
    backend = service.backend
    person = backend.questions()["person"]
    backend.remove_question("person")
    for number in range(5):
        backend.put_question(f"other-{number}", QuestionConfig(ask=f"Is it {number}?"))
    backend.put_question("person", person)  # the last of seven now
    event = backend.happen()
    page = enter(service).open()
    shown = tile(page, event.camera).locator(".traces")
    expect(shown).to_contain_text("Person at the door")
    expect(shown.locator(".others")).to_have_text("and 4 more")


def test_the_first_view_tells_what_is_asked_and_saved(service: Service, enter: Enter) -> None:
    page = enter(service).open()
    until(page, "/0\\.\\d\\d/.test(document.querySelector('.traces .value').textContent)")
    page.reload()  # a window was answered
    gist = page.locator(".gist")
    expect(gist).to_contain_text("2 questions asked of 4 cameras, 89% of the computing saved.")
    gist.get_by_role("link", name="Savings").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Watching costs 11%")


def test_overlays_are_switched_on_and_stay_so(service: Service, enter: Enter) -> None:
    page = enter(service).open()
    switch = page.get_by_role("button", name="What the model looked at")
    expect(switch).to_have_attribute("aria-pressed", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    until(page, PAINTED)
    page.keyboard.press("p")
    until(page, f"() => !({PAINTED})()")
    page.keyboard.press("m")
    page.reload()
    moved = page.get_by_role("button", name="What moved")
    expect(moved).to_have_attribute("aria-pressed", "true")


def test_a_camera_that_is_lost_is_told_in_a_sentence(service: Service, enter: Enter) -> None:
    page = enter(service).open()
    service.backend.lose("camera-2", "no data for 10 s")
    expect(tile(page, "camera-2")).to_contain_text("Lost, trying again")
    expect(page.get_by_role("status").first).to_contain_text("camera-2: No data for 10 s.")
    service.backend.lose("camera-2", None)
    expect(tile(page, "camera-2")).to_contain_text("Watching")
    expect(page.locator(".notice")).to_have_count(0)


def test_one_camera_has_its_facts_and_a_way_back(service: Service, enter: Enter) -> None:
    page = enter(service).open()
    tile(page, "camera-3").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page).to_have_title("camera-3 – CoStream")
    facts = page.get_by_role("region", name="Facts")
    expect(facts).to_contain_text("H.264, 1280 × 720, 25 frames a second")
    expect(facts).to_contain_text("rtsp://viewer:***@")
    expect(facts).to_contain_text("4.0% of its pictures were decoded")
    expect(facts).to_contain_text("12 of 15 answers that turned to yes; 1 could not be run in full")
    expect(facts).to_contain_text(
        "42 windows, 0.1 to 1.8% of answers differ; 1 could not be checked"
    )
    expect(facts).to_contain_text(
        "threshold x0.75, anchors x0.5 apart (20% of the answers of 10 checked windows differ)"
    )
    page.go_back()
    expect(tile(page, "camera-3").get_by_role("link")).to_be_focused()


def test_who_may_change_nothing_sees_no_button_for_it(service: Service, enter: Enter) -> None:
    page = enter(service).open("#/cameras/camera-1")
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)


def test_a_camera_is_paused_and_resumed(service: Service, enter: Enter) -> None:
    visitor = enter(service)
    page = visitor.open()
    visitor.log_in()
    page.reload()
    expect(tile(page, "camera-1")).to_contain_text("Watching")
    tile(page, "camera-1").get_by_role("link").click()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_focused()
    expect(page.locator("main .state").first).to_contain_text("Paused")
    assert service.backend.camera("camera-1").paused
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert not service.backend.camera("camera-1").paused


def test_a_camera_is_asked_and_asked_again(service: Service, enter: Enter) -> None:
    page = enter(service).open("#/cameras/camera-2")
    _ask(page, "Who is there?")
    expect(page.get_by_role("log")).to_contain_text(service.chat.answer)
    _ask(page, "And now?")
    expect(page.locator(".turn.assistant")).to_have_count(2)
    expect(page.get_by_role("log")).to_have_attribute("aria-busy", "false")
    first, second = service.chat.asked
    assert (first["model"], first["camera"], first["stream"]) == ("costream", "camera-2", True)
    assert [turn["role"] for turn in second["messages"]] == ["user", "assistant", "user"]


def test_a_question_that_is_refused_is_said_so_and_forgotten(
    service: Service, enter: Enter
) -> None:
    visitor = enter(service)
    visitor.refusals = True
    page = visitor.open("#/cameras/camera-1")
    service.chat.refusal = "camera-1 has no window yet: ask again in a moment"
    _ask(page, "Who is there?")
    expect(page.get_by_role("log")).to_contain_text("camera-1 has no window yet")
    service.chat.refusal = None
    _ask(page, "And now?")
    expect(page.get_by_role("log")).to_contain_text(service.chat.answer)
    assert service.chat.asked[-1]["messages"] == [{"role": "user", "content": "And now?"}]


def _ask(page: Page, question: str) -> None:
    page.keyboard.press("/")
    page.get_by_role("textbox", name="Ask this camera").fill(question)
    page.keyboard.press("Enter")
