"""The contract of a sink."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from costream.serve.config.watched import WatchedCamera
from costream.serve.events.event import EventMessage


class Sink(ABC):
    """Tells somebody of events. A thread of its own calls its methods, messages in order.

    Attributes:
        prompt: whether it shows a state, and so is told of every change at once: it does not wait
            for an event's still and sentence, and looks at the filter's ``changes`` by itself.
    """

    prompt: ClassVar[bool] = False

    @abstractmethod
    def deliver(self, message: EventMessage) -> None:
        """Tells of one change of an event; returns when it has been taken.

        It may be called again with a message that was taken already, after a crash: what it sends
        names the event and the change, so that a receiver can tell.

        Raises:
            DeliveryError: it was not taken, and is to be tried again later.
            RejectedError: it never will be: it is counted, logged and left out.
        """

    def announce(self, cameras: Sequence[WatchedCamera]) -> None:  # noqa: B027
        """Is told which cameras and questions there are, at the start and after every change."""

    def close(self) -> None:  # noqa: B027
        """Lets go of connections."""
