"""Stills and clips: files that are sent whole, in ranges, or not again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from costream.errors import UnknownError
from costream.serve.api.access import Service
from costream.serve.api.errors import ERRORS
from costream.serve.api.schema import EventId, Id

router = APIRouter(tags=["media"], responses=ERRORS)

_CACHE = "private, no-cache"
"""Kept by the browser, and asked for each time whether it is still the same."""


def _binary(kind: str, *, ranges: bool = False) -> dict[int | str, dict[str, Any]]:
    content = {kind: {"schema": {"type": "string", "format": "binary"}}}
    answers: dict[int | str, dict[str, Any]] = {
        200: {"content": content},
        304: {"description": "It has not changed."},
    }
    if ranges:
        answers[206] = {"content": content, "description": "The range that was asked for."}
    return answers


@router.head("/api/cameras/{id}/still.jpg", include_in_schema=False)
@router.get(
    "/api/cameras/{id}/still.jpg",
    summary="What a camera shows",
    response_class=Response,
    responses=_binary("image/jpeg"),
)
def get_camera_still(service: Service, request: Request, id: Id) -> Response:
    """Returns the last sampled frame of a camera."""
    picture = service.still(id)
    tag = f'"{hashlib.sha256(picture).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": _CACHE}
    if _has(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(picture, media_type="image/jpeg", headers=headers)


@router.head("/api/events/{id}/still.jpg", include_in_schema=False)
@router.get(
    "/api/events/{id}/still.jpg",
    summary="An event's still",
    response_class=Response,
    responses=_binary("image/jpeg", ranges=True),
)
def get_event_still(service: Service, request: Request, id: EventId) -> Response:
    """Returns the picture of an event."""
    return _file(request, service.event_still(id), "image/jpeg", f"{id}.jpg")


@router.head("/api/events/{id}/clip.mp4", include_in_schema=False)
@router.get(
    "/api/events/{id}/clip.mp4",
    summary="An event's clip",
    response_class=Response,
    responses=_binary("video/mp4", ranges=True),
)
def get_event_clip(service: Service, request: Request, id: EventId) -> Response:
    """Returns the clip of an event, or a range of its bytes."""
    clip = service.event_clip(id)
    # A codec that no MP4 holds lies in Matroska, whatever the address says.
    kind = "video/x-matroska" if clip.suffix == ".mkv" else "video/mp4"
    return _file(request, clip, kind, f"{id}{clip.suffix}")


def _file(request: Request, path: Path, kind: str, name: str) -> Response:
    try:
        stat = path.stat()
    except OSError:
        raise UnknownError("this picture or clip is not kept any more") from None
    response = FileResponse(
        path,
        media_type=kind,
        stat_result=stat,
        filename=name,
        content_disposition_type="inline",
        headers={"Cache-Control": _CACHE},
    )
    tag = response.headers["etag"]
    if _has(request, tag):
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": _CACHE})
    return response


def _has(request: Request, tag: str) -> bool:
    """Whether who asks has this version already."""
    known = request.headers.get("if-none-match", "")
    return known == "*" or tag in (part.strip().removeprefix("W/") for part in known.split(","))
