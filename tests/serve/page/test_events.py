"""Events: they arrive, play, are filtered, paged, linked to and removed."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.serve.page.conftest import Enter
from tests.serve.page.service import Service
from tests.serve.page.visitor import tile, until


def test_an_event_arrives_and_ends(service: Service, enter: Enter) -> None:
    page = enter(service).open()
    expect(page.locator(".badge")).to_have_count(4)
    event = service.backend.happen()
    badge = tile(page, "camera-1").locator(".badge")
    expect(badge).to_contain_text("Person at the door")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Person at the door – camera-1")
    expect(page.get_by_role("link", name="1 now")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("New event: Person at the door, at camera-1.")
    expect(page).to_have_title("(1 now) Cameras – CoStream")
    service.backend.pass_by(event)
    expect(badge).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_contain_text("All quiet: 4 cameras watched")


def test_a_clip_plays_by_ranges(service: Service, enter: Enter) -> None:
    visitor = enter(service)
    page = visitor.open()
    event = service.backend.happen()
    page.locator(f'.rail [data-event="{event.id}"] a').click()
    expect(page.locator(".media")).to_contain_text("The clip is there when the event is over.")
    with page.expect_response(lambda response: "clip.mp4" in response.url) as told:
        service.backend.pass_by(event)
    assert told.value.status == 206
    page.evaluate("document.querySelector('video').play()")
    until(page, "document.querySelector('video').currentTime > 0.2")
    assert page.evaluate("document.querySelector('video').videoWidth") == 640


def test_an_event_tells_when_and_how_sure(service: Service, enter: Enter) -> None:
    event = service.backend.happen(sentence="Somebody waits.", score=0.83)
    service.backend.pass_by(event)
    page = enter(service).open(f"#/events/{event.id}")
    expect(page).to_have_title("Person at the door, camera-1 – CoStream")
    expect(page.locator(".event-side")).to_contain_text("In the model's words")
    expect(page.locator(".event-side q")).to_have_text("Somebody waits.")
    expect(page.locator(".facts")).to_contain_text("0.83, counts from 0.60")
    page.get_by_text("Scores as a table").click()
    expect(page.get_by_role("row")).to_have_count(31)
    expect(page.get_by_role("link", name="Save clip")).to_have_attribute(
        "download", f"{event.id}.mp4"
    )


def test_events_are_filtered_by_links(service: Service, enter: Enter) -> None:
    page = enter(service).open("#/events")
    expect(page.locator(".event")).to_have_count(8)
    page.get_by_role("combobox", name="Camera").select_option("camera-2")
    expect(page.locator(".event")).to_have_count(2)
    assert page.url.endswith("#/events?camera=camera-2")
    page.get_by_label("Only what lasts now").check()
    expect(page.locator(".list-end")).to_contain_text("No event matches.")
    page.go_back()
    expect(page.locator(".event")).to_have_count(2)
    expect(page.get_by_role("combobox", name="Camera")).to_have_value("camera-2")


def test_a_filtered_list_takes_only_news_that_match(service: Service, enter: Enter) -> None:
    page = enter(service).open("#/events?camera=camera-1")
    expect(page.locator(".event")).to_have_count(2)
    other = enter(service).open("#/events?camera=camera-2")
    expect(other.locator(".event")).to_have_count(2)
    service.backend.happen()
    expect(page.locator(".event.active")).to_have_count(1)
    expect(page.locator(".event")).to_have_count(3)
    expect(other.get_by_role("link", name="1 now")).to_be_visible()
    expect(other.locator(".event")).to_have_count(2)


def test_a_list_of_what_lasts_lets_go_of_what_is_over(service: Service, enter: Enter) -> None:
    event = service.backend.happen()
    page = enter(service).open("#/events?active=true")
    expect(page.locator(".event.active")).to_have_count(1)
    service.backend.pass_by(event)
    expect(page.locator(".event")).to_have_count(0)
    expect(page.locator(".list-end")).to_contain_text("No event matches.")


def test_pages_follow_each_other_and_places_are_kept(service: Service, enter: Enter) -> None:
    for _ in range(40):
        service.backend.pass_by(service.backend.happen())
    page = enter(service, size=(1440, 600)).open("#/events")
    expect(page.locator(".event")).to_have_count(30)
    page.locator(".event").nth(29).scroll_into_view_if_needed()
    expect(page.locator(".event")).to_have_count(48)
    expect(page.locator(".list-end")).to_have_text("These are all.")
    link = page.locator(".event").nth(40).get_by_role("link")
    link.scroll_into_view_if_needed()
    scrolled = page.evaluate("scrollY")
    link.click()
    expect(page.locator(".event-page h1")).to_be_visible()
    page.go_back()
    expect(link).to_be_focused()
    assert abs(page.evaluate("scrollY") - scrolled) < 5


def test_a_link_keeps_the_focus_while_its_event_changes(service: Service, enter: Enter) -> None:
    event = service.backend.happen()
    page = enter(service).open()
    row = page.locator(f'.rail [data-event="{event.id}"]')
    link = row.get_by_role("link")
    link.focus()
    service.backend.happen()
    service.backend.pass_by(event)
    expect(row).not_to_contain_text("Now")
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("Person at the door")


def test_an_event_is_removed(service: Service, enter: Enter) -> None:
    event = service.backend.happen()
    service.backend.pass_by(event)
    visitor = enter(service)
    page = visitor.open(f"#/events/{event.id}")
    visitor.log_in()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Events")
    expect(page.locator(".event")).to_have_count(8)


def test_an_event_that_is_gone_is_said_so(service: Service, enter: Enter) -> None:
    visitor = enter(service)
    visitor.refusals = True
    page = visitor.open("#/events/01K9ZV3M5T0000000000000007")
    expect(page.get_by_role("heading", level=1)).to_contain_text("There is no event")
