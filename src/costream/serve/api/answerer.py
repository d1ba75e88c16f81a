"""What the OpenAI-compatible routes need of the service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from costream.engine.engine import Engine
    from costream.engine.handle import WatchHandle
    from costream.engine.session import Session


class Answerer(Protocol):
    """The service as it is asked in free form. Any thread may call it.

    Attributes:
        model: the model's name, as ``/v1/models`` gives it.
        engine: runs the model.
        session: the engine's session, which is there for as long as the service answers.
        folder: the data folder; uploads lie in a folder of their own in it.
        max_upload: bytes of the largest video that is taken.
    """

    @property
    def model(self) -> str: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def session(self) -> Session: ...
    @property
    def folder(self) -> Path: ...
    @property
    def max_upload(self) -> int: ...

    def camera_ids(self) -> Sequence[str]:
        """Returns the ids of all cameras."""
        ...

    def handle(self, id: str) -> WatchHandle:
        """Returns what a camera is watched by.

        Raises:
            UnknownError: there is no such camera.
            NoWindowError: it is not watched now, by its schedule or because it was paused.
        """
        ...
