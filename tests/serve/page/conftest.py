"""A real Chromium before a real server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.serve import fake_pictures
from tests.serve.page.service import CalmBackend, Chat, Service, served, server_of
from tests.serve.page.visitor import PATIENCE_MS, Visitor

CHROMIUM = Path("/usr/bin/chromium")

Enter = Callable[..., Visitor]
Serving = Callable[..., Service]


# Not beyond the package: Playwright keeps an event loop running in the tests' thread.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: install Debian's chromium to test the page")
    expect.set_options(timeout=PATIENCE_MS)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_pictures.write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=2)


@pytest.fixture
def backend(tmp_path: Path, clip: Path) -> CalmBackend:
    return CalmBackend(tmp_path, events=8, clip=clip)


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Runs services until the test is over."""
    with ExitStack() as stack:

        def serving(backend: CalmBackend, chat: Chat | None = None, **fields: object) -> Service:
            chat = chat or Chat()
            url = stack.enter_context(served(backend, chat, server_of(**fields)))
            return Service(url, backend, chat)

        yield serving


@pytest.fixture
def service(backend: CalmBackend, serving: Serving) -> Service:
    return serving(backend)


@pytest.fixture
def enter(browser: Browser, serving: Serving) -> Iterator[Enter]:
    """Opens windows, and closes them before services stop."""
    visitors: list[Visitor] = []

    def enter(service: Service, **options: object) -> Visitor:
        visitors.append(Visitor.enter(browser, service.url, **options))  # type: ignore[arg-type]
        return visitors[-1]

    yield enter
    for visitor in visitors:
        visitor.leave()
