"""The application's description, with what needs the token."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from costream.serve.api.security import OPEN, QUESTIONS

_SCHEME = {"type": "http", "scheme": "bearer", "description": "The service's token."}


class DescribedApp(FastAPI):
    """An application whose OpenAPI document says of each route whether it needs the token."""

    def openapi(self) -> dict[str, Any]:
        """Returns the document."""
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"]["securitySchemes"] = {"token": _SCHEME}
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    operation["security"] = _needed(method, path)
        assert self.openapi_schema is not None
        return self.openapi_schema


def _needed(method: str, path: str) -> list[dict[str, list[str]]]:
    """Returns what a route needs; an empty requirement says that it may do without."""
    if path in OPEN:
        return []
    reads = method == "get" or path in QUESTIONS
    return [{}, {"token": []}] if reads else [{"token": []}]
