"""Routes of cameras."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from costream.errors import CoStreamError, SettingsError
from costream.serve.api.access import Server, Service
from costream.serve.api.camera_url import check_camera_url
from costream.serve.api.errors import ERRORS, FieldError
from costream.serve.api.roster import roster
from costream.serve.api.schema import (
    Camera,
    CameraChange,
    CameraList,
    CameraNew,
    Grid,
    Id,
    Scores,
)
from costream.serve.backend import Backend
from costream.serve.config.model import CameraConfig, ServerConfig
from costream.video.naming import masked

router = APIRouter(prefix="/api/cameras", tags=["cameras"], responses=ERRORS)


@router.get("", summary="All cameras and how they are doing")
def list_cameras(service: Service) -> CameraList:
    """Returns all cameras, in the order in which they were configured."""
    return CameraList(cameras=[Camera.of(camera, status) for camera, status in roster(service)])


@router.post("", status_code=201, summary="Add a camera")
def add_camera(
    service: Service, server: Server, response: Response, new: Annotated[CameraNew, Body()]
) -> Camera:
    """Adds a camera. It is watched at once, and after a restart."""
    settings = _given(new)
    id = settings.pop("id")
    _check_url(settings["url"], server)
    service.add_camera(id, CameraConfig.model_validate(settings))
    response.headers["Location"] = f"/api/cameras/{id}"
    return _shown(service, id)


@router.get("/{id}", summary="A camera")
def get_camera(service: Service, id: Id) -> Camera:
    """Returns a camera and how it is doing."""
    return _shown(service, id)


@router.patch("/{id}", summary="Change a camera")
def change_camera(
    service: Service, server: Server, id: Id, change: Annotated[CameraChange, Body()]
) -> Camera:
    """Changes what is given of a camera. A URL that comes back as it was shown stays as it is."""
    changes = _given(change)
    config = service.camera(id).config
    if changes.get("url") == masked(config.url):
        del changes["url"]
    if "url" in changes:
        _check_credentials(config)
        _check_url(changes["url"], server)
    service.change_camera(id, changes)
    return _shown(service, id)


@router.delete("/{id}", status_code=204, summary="Remove a camera")
def remove_camera(service: Service, id: Id) -> None:
    """Removes a camera. Its events stay."""
    service.remove_camera(id)


@router.post("/{id}/pause", summary="Stop watching a camera")
def pause_camera(service: Service, id: Id) -> Camera:
    """Stops watching a camera until it is resumed."""
    service.pause_camera(id, True)
    return _shown(service, id)


@router.post("/{id}/resume", summary="Watch a camera again")
def resume_camera(service: Service, id: Id) -> Camera:
    """Watches a paused camera again."""
    service.pause_camera(id, False)
    return _shown(service, id)


@router.get("/{id}/scores", summary="The last scores of a camera")
def get_scores(service: Service, id: Id) -> Scores:
    """Returns the last scores of each question, and which patches the last window kept."""
    service.camera(id)
    window = service.hub.window(id)
    kept = Grid.of_shares(window.kept) if window else None
    return Scores(curves=service.hub.curve(id), kept=kept)


def _check_url(url: str, server: ServerConfig) -> None:
    try:
        check_camera_url(url, server)
    except CoStreamError as error:
        raise FieldError(error, "url") from None


def _check_credentials(config: CameraConfig) -> None:
    """Refuses another URL for a camera whose password would be sent there."""
    if config.credentials_file is not None:
        error = SettingsError(
            "this camera's password comes from a file, and is not sent elsewhere: change its URL "
            "in the service's file"
        )
        raise FieldError(error, "url")


def _shown(service: Backend, id: str) -> Camera:
    return Camera.of(service.camera(id), service.status(id))


def _given(settings: Any) -> dict[str, Any]:
    """Returns what a request holds, without what it leaves to defaults."""
    given: dict[str, Any] = settings.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return given
