"""What of a camera can't be changed while it is read."""

from __future__ import annotations

from costream.engine.view import StreamView
from costream.serve.config.watched import WatchedCamera


def view_of(camera: WatchedCamera) -> StreamView:
    """Returns its masks and zones.

    Raises:
        SettingsError: a polygon is none.
    """
    zones = {name: tuple(zone) for name, zone in camera.config.zones.items()}
    return StreamView(tuple(map(tuple, camera.masks)), zones)


def as_read(camera: WatchedCamera) -> object:
    """Returns what of a camera can't be changed while it is read."""
    config = camera.config
    return (
        config.url,
        config.credentials_file,
        config.transport,
        config.timeout,
        config.decode,
        config.loop,
        config.zones,
        camera.masks,
        camera.source,
    )
