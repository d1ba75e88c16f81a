"""What the OpenAI-compatible routes need of the service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from costream.engine.reply import Reply, ReplyOptions
from costream.turn import Turn

if TYPE_CHECKING:
    from costream.engine.engine import Engine
    from costream.engine.session import Session


class Answerer(Protocol):
    """The service as its cameras are asked in free form. Any thread may call it.

    Attributes:
        model: the model's name, as ``/v1/models`` gives it.
    """

    @property
    def model(self) -> str: ...

    def camera_ids(self) -> Sequence[str]:
        """Returns the ids of all cameras."""
        ...

    def inquire(self, camera: str, turns: Sequence[Turn], options: ReplyOptions) -> Reply:
        """Asks about a camera's window; see :meth:`WatchHandle.reply`.

        What keeps the reply from being written is raised here or by the reply.

        Raises:
            UnknownError: there is no such camera.
            NoWindowError: it is not watched now, by its schedule or because it was paused.
            SettingsError: something is wrong with the messages.
        """
        ...


class VideoHost(Protocol):
    """The service as videos are read and kept by it. Any thread may use it.

    Attributes:
        engine: runs the model.
        session: the engine's session, which is there for as long as the service answers.
        folder: the data folder; uploads lie in a folder of their own in it.
        max_upload: bytes of the largest video that is taken.
    """

    @property
    def engine(self) -> Engine: ...
    @property
    def session(self) -> Session: ...
    @property
    def folder(self) -> Path: ...
    @property
    def max_upload(self) -> int: ...
