"""Errors as OpenAI's API tells them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from costream.errors import (
    ClusterError,
    CoStreamError,
    NoWindowError,
    PoolExhaustedError,
    SettingsError,
    SourceError,
    UnknownError,
)

INVALID, SERVER = "invalid_request_error", "server_error"

_UNFORESEEN = "something unforeseen went wrong: the service's log says what"

_KINDS: tuple[tuple[type[CoStreamError], int, str, str | None], ...] = (
    (UnknownError, 404, INVALID, "not_found"),
    (NoWindowError, 409, INVALID, "no_window"),
    (SettingsError, 400, INVALID, None),
    (SourceError, 400, INVALID, "invalid_video"),
    (PoolExhaustedError, 503, SERVER, "overloaded"),
    (ClusterError, 503, SERVER, "unavailable"),
)
"""Status, type and code by kind of our errors."""

logger = logging.getLogger(__name__)


class ApiProblem(BaseModel):
    """What is wrong, as OpenAI's API says it."""

    message: str = Field(examples=["there is no camera yard"])
    type: str = Field(examples=[INVALID])
    param: str | None = None
    code: str | None = None


class ApiErrorBody(BaseModel):
    """The body of every error of these routes."""

    error: ApiProblem


ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ApiErrorBody, "description": "The request was refused."},
    "5XX": {"model": ApiErrorBody, "description": "The service can't do it now."},
    422: {"model": ApiErrorBody, "description": "Something in the request is not allowed."},
}
"""What every route here may answer beside what it promises."""


class ApiError(Exception):
    """A refusal in a sentence.

    Args:
        status: HTTP status.
        message: the sentence.
        param: what of the request it is about.
        code: a word for programs.
        headers: of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The error as JSON-ready values."""
        kinds = {429: "rate_limit_error"}
        kind = kinds.get(self.status, INVALID if self.status < 500 else SERVER)
        problem = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": problem}

    def response(self) -> JSONResponse:
        """Returns it as a response."""
        return JSONResponse(self.body, self.status, self.headers)


def no_videos() -> ApiError:
    """Returns what is told of videos by a service that takes none."""
    return ApiError(
        501,
        "a service on a cluster is asked about its cameras alone: send videos to a service on one "
        "machine",
        code="no_videos",
        headers={"X-Should-Retry": "false"},  # OpenAI's client would send the video three times
    )


def api_error(error: Exception) -> ApiError:
    """Returns any error as one that can be told; what nobody foresaw is logged."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException):
        return ApiError(error.status_code, str(error.detail), headers=error.headers)
    if isinstance(error, ValidationError | RequestValidationError):
        return _invalid(error.errors()[0])
    for kind, status, _, code in _KINDS:
        if isinstance(error, kind):
            return ApiError(status, str(error), code=code)
    logger.error("a request has failed", exc_info=error)
    return ApiError(500, _UNFORESEEN)


class OpenAIRoute(APIRoute):
    """A route whose errors are told as OpenAI's API tells them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns what serves the route."""
        handler = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handler(request)
            except Exception as error:  # told, each as what it is
                return api_error(error).response()

        return handled


def _invalid(problem: Mapping[str, Any]) -> ApiError:
    if problem["type"] == "json_invalid":
        return ApiError(400, "the body is not JSON")
    text = str(problem["msg"]).removeprefix("Value error, ")
    names = [part for part in problem["loc"] if part not in ("body", "query")]
    where = ".".join(map(str, names))
    return ApiError(400, f"{where}: {text}" if where else text, param=where or None)
