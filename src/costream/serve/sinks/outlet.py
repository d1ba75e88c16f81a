"""A sink under its name, and what it is told of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from costream.serve.config.model import CommandConfig, Filter, SinkConfig, WebhookConfig
from costream.serve.events.event import EventMessage
from costream.serve.sinks.base import Sink
from costream.serve.sinks.command import CommandSink
from costream.serve.sinks.mqtt import MqttSink
from costream.serve.sinks.webhook import WebhookSink

StillOf = Callable[[str], Path]
"""Returns an event's still, or raises ``UnknownError``."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """A sink as it was configured.

    Attributes:
        type: webhook, mqtt or command.
        sink: who tells.
        filter: of what.
    """

    type: str
    sink: Sink
    filter: Filter

    def wants(self, message: EventMessage) -> bool:
        """Whether the sink is told of a message."""
        event, chosen = message.event, self.filter
        return (
            (self.sink.prompt or message.change in chosen.changes)
            and (chosen.cameras is None or event.camera in chosen.cameras)
            and (chosen.questions is None or event.question in chosen.questions)
        )


def make_outlet(config: SinkConfig, still: StillOf) -> Outlet:
    """Returns the sink of a configuration and its filter; nothing is connected yet."""
    return Outlet(config.type, make_sink(config, still), config)


def make_sink(config: SinkConfig, still: StillOf) -> Sink:
    """Returns the sink of a configuration.

    Args:
        config: as the file says it.
        still: where the still of an event is.

    Raises:
        SettingsError: it can't be used as configured.
    """
    if isinstance(config, WebhookConfig):
        return WebhookSink(config)
    if isinstance(config, CommandConfig):
        return CommandSink(config)
    return MqttSink(config, still)
