"""What a sink is told of, wherever events are made."""

from __future__ import annotations

from dataclasses import dataclass

from costream.serve.config.model import Filter
from costream.serve.events.event import EventMessage


@dataclass(frozen=True, slots=True)
class Audience:
    """A sink, as far as events need to know it. It can be pickled, and holds no secrets.

    Attributes:
        filter: what it is told of.
        prompt: whether it shows a state: see :class:`~costream.serve.sinks.base.Sink`.
    """

    filter: Filter
    prompt: bool

    def wants(self, message: EventMessage) -> bool:
        """Whether the sink is told of a message."""
        event, chosen = message.event, self.filter
        return (
            (self.prompt or message.change in chosen.changes)
            and (chosen.cameras is None or event.camera in chosen.cameras)
            and (chosen.questions is None or event.question in chosen.questions)
        )
