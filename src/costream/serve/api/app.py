"""The application: routes, what guards them, and the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

import costream
from costream.serve.api import (
    cameras,
    events,
    login,
    media,
    metrics,
    push,
    questions,
    state,
    stream,
)
from costream.serve.api.access_log import AccessLog
from costream.serve.api.authority import Authority, token_of
from costream.serve.api.body_limit import BodyLimit
from costream.serve.api.clients import Clients
from costream.serve.api.described import DescribedApp
from costream.serve.api.errors import add_error_handlers
from costream.serve.api.headers import SafeHeaders
from costream.serve.api.hosts import Hosts
from costream.serve.api.page_files import PageFiles
from costream.serve.api.security import Security
from costream.serve.backend import Backend
from costream.serve.config.model import ServerConfig

PAGE = Path(__file__).parent.parent / "page"
"""The page that comes with the package."""

_ROUTERS = tuple(
    module.router
    for module in (cameras, questions, events, media, stream, push, state, login, metrics)
)

_ABOUT = """The live service's API.

Times are seconds since 1970. Errors are `{"error": {"message": ..., "field": ...}}`. What changes
anything needs the service's token as `Authorization: Bearer`, and so does reading from elsewhere
than the service's own machine."""


def create_app(
    backend: Backend,
    server: ServerConfig,
    *,
    routers: Sequence[APIRouter] = (),
    page: Path | None = PAGE,
) -> FastAPI:
    """Returns the API and the page of a service.

    Args:
        backend: the service.
        server: where it listens and who may use it.
        routers: further routes, which are guarded as ours are.
        page: folder of the page, if there is to be one.

    Raises:
        SettingsError: the token can't be read.
    """
    app = DescribedApp(
        title="CoStream",
        version=costream.__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    clients = Clients(max(1, server.max_connections // 2))
    app.state.backend = backend
    app.state.server = server
    app.state.clients = clients
    app.state.metrics = metrics.Metrics(backend, clients)
    add_error_handlers(app)
    for router in (*_ROUTERS, *routers):
        app.include_router(router)
    _guard(app, server, _add_page(app, page))
    return app


def _add_page(app: FastAPI, page: Path | None) -> frozenset[str]:
    """Serves the page's files, and returns their paths."""
    if page is None or not page.is_dir():
        return frozenset()
    app.mount("/", PageFiles(directory=page, html=True), name="page")
    files = (file.relative_to(page).as_posix() for file in page.rglob("*") if file.is_file())
    return frozenset({"/", *(f"/{file}" for file in files)})


def _guard(app: FastAPI, server: ServerConfig, public: frozenset[str]) -> None:
    """Puts before the routes what guards them: what is added last is asked first."""
    hosts = Hosts(server)
    app.state.authority = Authority(token_of(server), hosts)
    app.add_middleware(
        BodyLimit, max_upload=server.max_upload, silence=max(server.idle_timeout, 1.0)
    )
    app.add_middleware(
        Security,
        hosts=hosts,
        authority=app.state.authority,
        origins=server.origins,
        public=public,
    )
    if server.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=server.origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID", "Range"],
            expose_headers=["Content-Range", "ETag", "Location"],
        )
    app.add_middleware(SafeHeaders)
    app.add_middleware(AccessLog, counted=app.state.metrics.count_request)
