"""All cameras with their status, one of which may be removed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from costream.errors import UnknownError
from costream.serve.backend import Backend
from costream.serve.config.watched import WatchedCamera
from costream.serve.status import CameraStatus


def roster(service: Backend) -> Iterator[tuple[WatchedCamera, CameraStatus]]:
    """Yields each camera and how it is doing, in the order in which they were configured."""
    for camera in service.cameras():
        try:
            yield camera, service.status(camera.id)
        except UnknownError:
            continue
