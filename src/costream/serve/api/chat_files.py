"""OpenAI's files: videos that are uploaded to be asked about."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from costream.serve.api.chat_errors import ERRORS, ApiError, OpenAIRoute, no_videos
from costream.serve.api.chat_form import UploadForm
from costream.serve.api.chat_slots import Slots
from costream.serve.api.chat_uploads import KEPT, Upload, Uploads, stored

AT_ONCE = 4
"""Uploads that come at a time."""

PURPOSES = ("vision", "user_data", "assistants")

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": list(PURPOSES)},
                    },
                }
            }
        },
    }
}


class FileObject(BaseModel):
    """A file that was uploaded."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"

    @classmethod
    def of(cls, upload: Upload) -> FileObject:
        """Returns an upload as OpenAI's API tells of it."""
        return cls(
            id=upload.id,
            bytes=upload.bytes,
            created_at=int(upload.created),
            expires_at=int(upload.created + KEPT),
            filename=upload.filename,
            purpose=upload.purpose,
        )


class FileList(BaseModel):
    """Some of the files."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(BaseModel):
    """A file was deleted."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


def files_router(uploads: Uploads) -> APIRouter:
    """Returns the routes of uploads.

    Args:
        uploads: where they are.
    """
    router = APIRouter(prefix="/v1/files", tags=["chat"], route_class=OpenAIRoute, responses=ERRORS)
    slots = Slots(AT_ONCE, "uploads")

    @router.post("", summary="Upload a video", openapi_extra=_FORM)
    async def create_file(request: Request) -> FileObject:
        with slots.held():
            return FileObject.of(await _received(request, uploads))

    @router.get("", summary="List uploaded videos")
    def list_files(
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=10000)] = 1000,
        order: Literal["asc", "desc"] = "desc",
        purpose: str | None = None,
    ) -> FileList:
        found = [upload for upload in uploads.list() if purpose in (None, upload.purpose)]
        found = found[::-1] if order == "asc" else found
        ids = [upload.id for upload in found]
        rest = found[ids.index(after) + 1 :] if after in ids else found
        page = [FileObject.of(upload) for upload in rest[:limit]]
        first, last = (page[0].id, page[-1].id) if page else (None, None)
        return FileList(data=page, first_id=first, last_id=last, has_more=len(rest) > limit)

    @router.get("/{file_id}", summary="What is known of a video")
    def retrieve_file(file_id: str) -> FileObject:
        return FileObject.of(uploads.get(file_id))

    @router.delete("/{file_id}", summary="Delete a video")
    def delete_file(file_id: str) -> FileDeleted:
        uploads.remove(file_id)
        return FileDeleted(id=file_id)

    return router


def no_files_router() -> APIRouter:
    """Returns the routes of uploads of a service that takes no videos."""
    router = APIRouter(prefix="/v1/files", route_class=OpenAIRoute, include_in_schema=False)

    @router.api_route("", methods=["GET", "POST"])
    @router.api_route("/{file_id:path}", methods=["GET", "DELETE"])
    async def refuse_file(request: Request) -> None:
        async for _ in request.stream():  # a refusal is seen by whoever may send to the end
            pass
        raise no_videos()

    return router


async def _received(request: Request, uploads: Uploads) -> Upload:
    """Takes a form to its end."""
    length = request.headers.get("content-length", "0")
    announced = int(length) if length.isdecimal() else 0
    with stored(), uploads.incoming(announced) as (id, incoming):
        form = UploadForm(request.headers.get("content-type", ""), incoming.write)
        async for chunk in request.stream():
            await asyncio.to_thread(form.feed, chunk)
        form.finish()
        purpose = form.fields.get("purpose", PURPOSES[0])
        if purpose not in PURPOSES:
            known = ", ".join(PURPOSES)
            raise ApiError(400, f"choose the purpose from {known}", param="purpose")
        incoming.flush()
        return await asyncio.to_thread(
            uploads.keep, id, incoming, form.filename or "video", purpose
        )
