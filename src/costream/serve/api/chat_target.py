"""What a chat completion asks about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from costream.engine.reply import Reply, ReplyOptions
from costream.turn import Turn

Inquire = Callable[[Sequence[Turn], ReplyOptions], Reply]
"""Asks in free form: see :meth:`WatchHandle.reply`."""


@dataclass(frozen=True, slots=True)
class Target:
    """A camera or a video, for one request.

    Attributes:
        inquire: asks about its window.
        about: what is told of it beside its window.
        begun: called once the reply has begun; says whether the window was computed for it.
        give_back: called when the request is over.
    """

    inquire: Inquire
    about: dict[str, str]
    begun: Callable[[], bool] = lambda: False
    give_back: Callable[[], None] = lambda: None
