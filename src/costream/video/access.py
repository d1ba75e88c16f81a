"""How a source is reached: the keyword arguments of a stream that say so, as one thing."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import TypedDict

from costream.video.credentials import Credentials
from costream.video.reach import Reach


class Access(TypedDict, total=False):
    """What :class:`~costream.video.Stream` takes under the same names."""

    timeout: float
    options: Mapping[str, str]
    credentials: Credentials | None
    reach: Reach
