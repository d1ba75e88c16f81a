"""The API over a made-up backend: in this process, and on a socket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from costream.serve.api.app import create_app
from costream.serve.api.server import serve
from costream.serve.config.model import ServerConfig
from tests.serve import fake_pictures
from tests.serve.fakes import FakeBackend

TOKEN = "correct-horse-battery-staple"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PATIENCE = 30.0

Serving = Callable[[FakeBackend, ServerConfig], str]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_pictures.write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=2)


@pytest.fixture
def backend(tmp_path: Path, clip: Path) -> FakeBackend:
    return FakeBackend(tmp_path, events=12, clip=clip)


@pytest.fixture
def server() -> ServerConfig:
    return config()


@pytest.fixture
def app(backend: FakeBackend, server: ServerConfig) -> FastAPI:
    return create_app(backend, server, page=None)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """A client on the service's machine, without a token."""
    return client_of(app)


@pytest.fixture
def owner(app: FastAPI) -> TestClient:
    """A client that has the token."""
    return client_of(app, headers=BEARER)


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Serves an application on a socket of the loopback; returns its URL."""
    with ExitStack() as stack:
        yield lambda backend, server: stack.enter_context(served(backend, server))


def config(**fields: object) -> ServerConfig:
    """A configuration with a token."""
    return ServerConfig.model_validate({"token": SecretStr(TOKEN), "port": 0, **fields})


def client_of(
    app: FastAPI, *, base: str = "http://127.0.0.1:8470", headers: dict[str, str] | None = None
) -> TestClient:
    return TestClient(
        app,
        base_url=base,
        headers=headers,
        client=("127.0.0.1", 50000),
        raise_server_exceptions=False,
    )


@contextmanager
def served(backend: FakeBackend, server: ServerConfig) -> Iterator[str]:
    app = create_app(backend, server, page=None)
    ready, stop, urls = threading.Event(), threading.Event(), list[str]()

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    thread = threading.Thread(target=serve, args=(app, server, on_ready, stop))
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield urls[0]
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()
