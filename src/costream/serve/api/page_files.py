"""The files of the page."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles


class PageFiles(StaticFiles):
    """Files that a browser keeps, and asks for each time whether they are still the same."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Returns a file, or that it has not changed."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response
