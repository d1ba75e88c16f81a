"""Turns away requests that may not be made, before anything of their body is read."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from costream.serve.api.authority import HOW_TO_SET, Authority, Rights
from costream.serve.api.errors import refusal
from costream.serve.api.hosts import Hosts

_READS = frozenset({"GET", "HEAD"})

QUESTIONS = frozenset({"/v1/chat/completions"})
"""Paths to which a POST changes nothing: it asks."""

_LOGIN = frozenset({"/api/login", "/api/session"})
OPEN = frozenset({"/healthz", "/readyz"}) | _LOGIN
"""Paths for which no right is needed, beside those of the page."""

_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class Security:
    """Checks ``Host``, ``Origin`` and rights of each request, in this order.

    What a request may do stands in its state as ``rights``.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Hosts,
        authority: Authority,
        origins: Collection[str],
        public: Collection[str],
    ) -> None:
        """Guards an application.

        Args:
            app: what is guarded.
            hosts: names under which it may be reached.
            authority: who may do what.
            origins: pages elsewhere that may use it.
            public: paths that anybody may read.
        """
        self._app = app
        self._hosts = hosts
        self._authority = authority
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._public = frozenset(public) | OPEN

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request, or refuses it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = HTTPConnection(scope)
        refused = self._stranger(request) or self._lacks_rights(request, scope["method"])
        if refused is None:
            await self._app(scope, receive, send)
            return
        if scope["method"] not in _READS:
            # The rest of its body would have to be read before another request.
            refused.headers["Connection"] = "close"
        await refused(scope, receive, send)

    def _stranger(self, request: HTTPConnection) -> Response | None:
        """Refuses what a page elsewhere sends through a browser."""
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.admit(hosts[0]):
            return refusal(421, "this name is not the service's: add it to server.hosts")
        origins = request.headers.getlist("origin")
        if origins:
            if all(self._own(origin, hosts[0]) for origin in origins):
                return None
        elif not _from_elsewhere(request):
            return None
        return refusal(403, "this page may not use the service: add it to server.origins")

    def _own(self, origin: str, host: str) -> bool:
        if origin.lower() in self._origins:
            return True
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    def _lacks_rights(self, request: HTTPConnection, method: str) -> Response | None:
        rights = self._authority.rights(request)
        request.scope.setdefault("state", {})["rights"] = rights
        path = request.scope["path"]
        if path in _LOGIN or (method in _READS and path in self._public):
            return None
        reads = method in _READS or path in QUESTIONS
        if rights.change or (reads and rights.read):
            return None
        return self._refused(rights)

    def _refused(self, rights: Rights) -> Response:
        if not self._authority.has_token:
            return refusal(403, f"this needs a token, and the service has none: {HOW_TO_SET}")
        if rights.known == "wrong":
            return refusal(401, "this is not the service's token", headers=_CHALLENGE)
        return refusal(401, "this needs the service's token: log in", headers=_CHALLENGE)


def _from_elsewhere(request: HTTPConnection) -> bool:
    """Whether a browser says that a page elsewhere has sent a request: other than a link to us."""
    site = request.headers.get("sec-fetch-site", "none")
    is_link = (
        request.scope["method"] in _READS
        and request.headers.get("sec-fetch-mode") == "navigate"
        and request.headers.get("sec-fetch-dest") == "document"
    )
    return site not in ("same-origin", "none") and not is_link
