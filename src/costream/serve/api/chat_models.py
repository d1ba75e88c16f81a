"""OpenAI's models: the service's own, and each camera as one."""

from __future__ import annotations

import time
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from costream.errors import UnknownError
from costream.serve.api.answerer import Answerer
from costream.serve.api.chat_body import ALIAS, CAMERA
from costream.serve.api.chat_errors import ERRORS, OpenAIRoute


class ModelObject(BaseModel):
    """A model, or a camera that is asked as one."""

    id: str = Field(examples=["camera:yard"])
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "costream"


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


def models_router(answerer: Answerer) -> APIRouter:
    """Returns the routes of models.

    Args:
        answerer: the service.
    """
    router = APIRouter(
        prefix="/v1/models", tags=["chat"], route_class=OpenAIRoute, responses=ERRORS
    )
    created = int(time.time())

    def names() -> list[str]:
        return [answerer.model, *(f"{CAMERA}{id}" for id in answerer.camera_ids())]

    @router.get("", summary="The model, and each camera as one")
    def list_models() -> ModelList:
        return ModelList(data=[ModelObject(id=name, created=created) for name in names()])

    @router.get("/{name:path}", summary="One model")
    def retrieve_model(name: str) -> ModelObject:
        if name not in [ALIAS, *names()]:
            raise UnknownError(f"there is no model {name[:200]!r}")
        return ModelObject(id=name, created=created)

    return router
