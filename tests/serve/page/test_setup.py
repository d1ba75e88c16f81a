"""Logging in, and what is changed by forms."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from costream.serve.config.model import ServiceConfig
from tests.serve.page.conftest import Enter, Serving
from tests.serve.page.service import TOKEN, CalmBackend, Service


@pytest.fixture
def bare(tmp_path: Path, clip: Path, serving: Serving) -> Service:
    """A service without cameras and without a token."""
    return serving(CalmBackend(tmp_path, ServiceConfig(), clip=clip), token=None)


def test_a_wrong_token_is_refused_by_the_field(service: Service, enter: Enter) -> None:
    visitor = enter(service)
    visitor.refusals = True
    page = visitor.open()
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("This is not the service's token.")


def test_who_logged_in_stays_so_until_they_log_out(service: Service, enter: Enter) -> None:
    visitor = enter(service)
    page = visitor.open("#/setup")
    visitor.log_in()
    expect(page.get_by_role("button", name="Add a camera")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Add a camera")).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Add a camera")).to_have_count(0)


def test_a_service_for_others_shows_nothing_before_the_login(
    backend: CalmBackend, serving: Serving, enter: Enter
) -> None:
    service = serving(backend, host="0.0.0.0")
    service.url = service.url.replace("0.0.0.0", "127.0.0.1")
    page = enter(service).open()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in to see the cameras")
    page.locator("main").get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(4)


def test_a_camera_is_added_and_removed(service: Service, enter: Enter) -> None:
    visitor = enter(service)
    visitor.refusals = True
    page = visitor.open("#/setup")
    visitor.log_in()
    page.get_by_role("button", name="Add a camera").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Short name").fill("Gate 1")
    dialog.get_by_label("Stream", exact=True).fill("file:///etc/passwd")
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Short name")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Short name").fill("gate-1")
    page.keyboard.press("Enter")
    expect(dialog.locator(".problem:not(:empty)")).to_be_visible()
    assert "gate-1" not in {camera.id for camera in service.backend.cameras()}
    dialog.get_by_label("Stream", exact=True).fill("push")
    dialog.get_by_label("Has a person fallen?").uncheck()
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("region", name="Cameras")).to_contain_text("gate-1")
    assert [q.id for q in service.backend.camera("gate-1").questions] == ["person"]
    page.get_by_role("button", name="Remove gate-1").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("link", name="gate-1")).to_have_count(0)
    assert len(service.backend.cameras()) == 4


def test_a_question_is_added_changed_and_removed(service: Service, enter: Enter) -> None:
    visitor = enter(service)
    visitor.refusals = True
    page = visitor.open("#/setup")
    visitor.log_in()
    page.get_by_role("button", name="Add a question").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Short name").fill("smoke")
    dialog.get_by_label("Question", exact=True).fill("Is there smoke?")
    dialog.get_by_label("Score from which").fill("1.7")
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Score from which")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Score from which").fill("0.7")
    dialog.get_by_label("How long it has to last").fill("4s")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    alerts = service.backend.questions()["smoke"].alerts
    assert (alerts.threshold, alerts.for_) == (0.7, 4.0)
    page.get_by_role("button", name="Change Is there smoke?").click()
    dialog.get_by_label("What people call it").fill("Smoke")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Change Smoke")).to_be_visible()
    changed = service.backend.questions()["smoke"]
    assert (changed.name, changed.alerts.for_) == ("Smoke", 4.0)
    page.get_by_role("button", name="Remove Smoke").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name="Change Smoke")).to_have_count(0)


def test_the_file_is_read_again(service: Service, enter: Enter) -> None:
    visitor = enter(service)
    page = visitor.open("#/setup")
    visitor.log_in()
    page.get_by_role("button", name="Read the file again").click()
    expect(page.get_by_text("Question fall: changed.")).to_be_visible()


def test_sinks_tell_how_they_are_doing(service: Service, enter: Enter) -> None:
    page = enter(service).open("#/setup")
    told = page.get_by_role("region", name="Who is told")
    expect(told).to_contain_text("31 delivered")
    expect(told).to_contain_text("12 delivered, 4 waiting, 1 refused")
    expect(told).to_contain_text("The receiver answered 503.")


def test_savings_are_told_in_plain_words(service: Service, enter: Enter) -> None:
    page = enter(service).open("#/savings")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Watching costs 11%")
    expect(page.locator("main")).to_contain_text(
        "This machine can carry about 14 cameras like these"
    )
    expect(page.locator(".measure").last).to_contain_text("77% less")


def test_without_cameras_and_token_it_says_what_to_do(bare: Service, enter: Enter) -> None:
    visitor = enter(bare)
    page = visitor.open()
    expect(page.locator(".wall")).to_contain_text("Write one into the service's file")
    expect(page.get_by_role("button", name="Log in")).to_have_count(0)
    visitor.open("#/setup")
    expect(page.locator("main")).to_contain_text("the service has no token")
    visitor.open("#/events")
    expect(page.locator("main")).to_contain_text("No events yet.")
    visitor.open("#/savings")
    expect(page.locator("main")).to_contain_text("No cameras yet")
