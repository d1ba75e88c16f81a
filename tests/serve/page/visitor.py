"""A browser that looks at the page, and remembers what went wrong meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect

from tests.serve.page.service import TOKEN

DESKTOP = (1440, 900)
PHONE = (390, 844)
PATIENCE_MS = 20_000

_REFUSED = "Failed to load resource: the server responded with a status of 4"


@dataclass
class Visitor:
    """One browser window.

    Attributes:
        page: what it shows.
        base: the service's URL.
        errors: what the page complained about.
        requests: URLs that it asked for.
        refusals: whether requests of it may be refused, which browsers complain about.
    """

    page: Page
    base: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    refusals: bool = False

    @classmethod
    def enter(
        cls, browser: Browser, base: str, *, size: tuple[int, int] = DESKTOP, theme: str = "light"
    ) -> Visitor:
        """Opens a window with no memory of others."""
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        visitor = cls(context.new_page(), base)
        visitor.page.on("console", visitor._hear)
        visitor.page.on("pageerror", lambda error: visitor.errors.append(str(error)))
        visitor.page.on("request", visitor._note)
        return visitor

    def open(self, place: str = "#/") -> Page:
        """Shows a view, and waits until it is there."""
        self.page.goto(f"{self.base}/{place}")
        expect(self.page.locator("main h1").first).to_be_visible()
        return self.page

    def log_in(self, token: str = TOKEN) -> None:
        """Logs in by the button of the bar."""
        self.page.locator(".bar").get_by_role("button", name="Log in").click()
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("dialog").get_by_role("button", name="Log in").click()
        expect(self.page.locator(".bar").get_by_role("button", name="Log out")).to_be_visible()

    def leave(self) -> None:
        """Closes the window. Whatever went wrong fails the test."""
        self.page.context.close()
        complaints = [e for e in self.errors if not (self.refusals and e.startswith(_REFUSED))]
        assert not complaints
        elsewhere = [url for url in self.requests if not url.startswith((self.base, "data:"))]
        assert not elsewhere

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)


def tile(page: Page, camera: str) -> Locator:
    """A camera on the wall."""
    return page.locator(f'.tile[data-camera="{camera}"]')


def until(page: Page, condition: str, patience: float = PATIENCE_MS) -> None:
    """Waits until something is true in the page, whose policy lets no string be evaluated there.

    Args:
        page: the page.
        condition: an expression in its language.
        patience: for how many milliseconds.
    """
    end = time.monotonic() + patience / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"not so after {patience} ms: {condition}"
        page.wait_for_timeout(50)


def spill(page: Page) -> int:
    """How many pixels of the page lie beyond its right edge."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
