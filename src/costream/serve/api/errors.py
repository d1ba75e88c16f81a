"""Errors of the API: one body for all of them, in sentences that may be shown."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from costream.errors import (
    ChildError,
    ClusterError,
    CoStreamError,
    DeliveryError,
    ForgottenError,
    IntegrityError,
    ModelError,
    PoolExhaustedError,
    RejectedError,
    SettingsError,
    SourceError,
    SupersededError,
    TakenError,
    UnknownError,
)
from costream.serve.api.headers import SAFE_HEADERS

_log = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[CoStreamError], int], ...] = (
    (UnknownError, 404),
    (ForgottenError, 410),
    (SupersededError, 410),
    (RejectedError, 409),
    (DeliveryError, 503),
    (TakenError, 409),
    (SettingsError, 422),
    (SourceError, 422),
    (PoolExhaustedError, 503),
    (ModelError, 503),
    (ClusterError, 503),
    (IntegrityError, 500),
    (ChildError, 500),
)

_UNFORESEEN = "something unforeseen went wrong: the service's log says what"

_FORBIDDEN_FIELD = "there is no such field, or it can only be set in the service's file"


class Problem(BaseModel):
    """What is wrong.

    Attributes:
        message: a sentence.
        field: the field of the request that it is about, such as ``alerts.threshold``.
    """

    message: str = Field(examples=["there is no camera yard"])
    field: str | None = Field(None, examples=["alerts.threshold"])


class ErrorBody(BaseModel):
    """The body of every error."""

    error: Problem


ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The request was refused."},
    "5XX": {"model": ErrorBody, "description": "The service can't do it now."},
    422: {"model": ErrorBody, "description": "Something in the request is not allowed."},
}
"""What every route of the API may answer beside what it promises."""


class FieldError(HTTPException):
    """One of our errors, and the field of the request that it is about."""

    def __init__(self, error: CoStreamError, field: str) -> None:
        super().__init__(status_of(error), str(error))
        self.field = field


def refusal(
    status: int,
    message: str,
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Returns an error as a response."""
    problem = {"message": message} | ({"field": field} if field else {})
    return JSONResponse({"error": problem}, status, dict(headers or {}))


def add_error_handlers(app: FastAPI) -> None:
    """Has an application answer every error with :class:`ErrorBody`."""
    app.add_exception_handler(CoStreamError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


def status_of(error: CoStreamError) -> int:
    """Returns the HTTP status of one of our errors."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 409)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CoStreamError)
    status = status_of(error)
    if status == 500:
        _log.error("%s %s: %s", request.method, request.url.path, error)
        return refusal(500, _UNFORESEEN)
    return refusal(status, str(error))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return refusal(422, _sentence(first), _field(first["loc"]))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    field = error.field if isinstance(error, FieldError) else None
    headers = _allowed(request) if error.status_code == 405 else error.headers
    return refusal(error.status_code, str(error.detail), field, headers)


def _allowed(request: Request) -> dict[str, str]:
    """Names the methods of all routes of a path: each route knows its own alone."""
    methods = (
        method.upper()
        for path, operations in request.app.openapi()["paths"].items()
        if compile_path(path)[0].match(request.scope["path"])
        for method in operations
    )
    return {"Allow": ", ".join(sorted(methods))}


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    return refusal(500, _UNFORESEEN, headers=SAFE_HEADERS)


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return _FORBIDDEN_FIELD
    if error["type"] == "json_invalid":
        return "the body is not JSON"
    text = str(error["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _field(location: Sequence[Any]) -> str | None:
    """Names a field without the part of the request that it stands in: ``body``, ``query``."""
    return ".".join(str(part) for part in location[1:]) or None
