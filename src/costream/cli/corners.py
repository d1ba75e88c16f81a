"""Polygons as they are written on the command line."""

from __future__ import annotations

from costream.errors import SettingsError
from costream.video import Polygon


def parse_corners(text: str) -> Polygon:
    """Reads corners ``x,y x,y x,y``.

    Raises:
        SettingsError: they are not of that form.
    """
    try:
        corners = tuple(tuple(map(float, corner.split(","))) for corner in text.split())
    except ValueError:
        corners = ((),)
    if not all(len(corner) == 2 for corner in corners):
        raise SettingsError(
            f"the corners {text!r} are not of the form x,y x,y x,y: give shares of the picture, "
            "such as '0,0 0.4,0 0.4,0.25 0,0.25'"
        )
    return tuple((x, y) for x, y in corners)
