"""A web page elsewhere, in a real browser, that tries to reach the service."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from tests.serve.api.conftest import BEARER, TOKEN, Serving, config
from tests.serve.fakes import FakeBackend

CHROMIUM = Path("/usr/bin/chromium")

ATTACK = """async ([service, token]) => {
  const attempt = (path, options) => fetch(service + path, options).then(
    async (answer) => answer.type + answer.status + (await answer.text()).slice(0, 40),
    () => "failed");
  const image = await new Promise((done) => {
    const element = new Image();
    element.onload = () => done("seen");
    element.onerror = () => done("failed");
    element.src = service + "/api/cameras/camera-1/still.jpg";
  });
  const bearer = {Authorization: "Bearer " + token};
  return [
    image,
    await attempt("/api/cameras"),
    await attempt("/api/cameras", {headers: bearer}),
    await attempt("/api/cameras", {mode: "no-cors"}),
    await attempt("/api/cameras/camera-1/pause", {method: "POST", mode: "no-cors"}),
    await attempt("/api/login", {method: "POST", mode: "no-cors", body: `{"token":"${token}"}`}),
  ];
}"""


@pytest.fixture
def browser_page() -> Iterator[Page]:
    if not CHROMIUM.exists():
        pytest.skip("there is no /usr/bin/chromium")
    arguments = ["--host-resolver-rules=MAP evil.example 127.0.0.1"]
    arguments += ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser.new_page()
        browser.close()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The URL of a web page of another site."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_page_elsewhere_reaches_nothing(
    browser_page: Page, elsewhere: str, backend: FakeBackend, serving: Serving
) -> None:
    service = serving(backend, config())
    backend.step(0.0)
    browser_page.context.add_cookies(_logged_in(service))
    browser_page.goto(elsewhere)
    image, *answers = browser_page.evaluate(ATTACK, [service, TOKEN])
    assert image == "failed"
    assert all(answer in ("failed", "opaque0") for answer in answers)
    assert not backend.camera("camera-1").paused
    assert 'method="POST",status="403"' in httpx.get(f"{service}/metrics").text


def test_a_name_that_is_bound_to_the_services_address_reaches_nothing(
    browser_page: Page, backend: FakeBackend, serving: Serving
) -> None:
    service = serving(backend, config())
    rebound = f"http://evil.example:{urlsplit(service).port}"
    answer = browser_page.goto(f"{rebound}/api/cameras")
    assert answer is not None
    assert answer.status == 421
    assert "camera-1" not in answer.text()
    _, *answers = browser_page.evaluate(ATTACK, [rebound, TOKEN])
    assert all(text == "failed" or text.startswith(("basic421", "opaque0")) for text in answers)
    assert not backend.camera("camera-1").paused


def _logged_in(service: str) -> list[dict[str, object]]:
    answer = httpx.post(f"{service}/api/login", json={"token": TOKEN}, headers=BEARER)
    return [
        {"name": name, "value": value, "url": service, "httpOnly": True, "sameSite": "Strict"}
        for name, value in answer.cookies.items()
    ]
